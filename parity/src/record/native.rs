//! Recordings by the native engine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use native::audio::Waveform;
use native::engine::{Engine, EngineOptions, Mode, Request};
use native::llm::{Sampler, Strategy};
use native::torch_rng::Multinomial;

use super::timing::{self, Timing};
use super::{cascaded, describe_model, isolated};
use crate::case::{self, Case, CaseFile};
use crate::recording::{self, CaseRecord, Manifest, RecordedCase};
use crate::stage::Feed;

/// Why the native engine could not be recorded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The engine refused the model or a case.
    #[error(transparent)]
    Native(#[from] native::Error),
    /// A file of the recording or of a case.
    #[error(transparent)]
    Recording(#[from] recording::Error),
}

/// A loaded native engine that records cases.
pub struct NativeRecorder {
    engine: Arc<Engine>,
    manifest: Manifest,
    multinomial: Multinomial,
}

impl NativeRecorder {
    /// Loads the model. `device` and `precision` are what the manifest says of them.
    pub fn load(
        model_dir: &Path,
        options: &EngineOptions,
        device: &str,
        precision: &str,
    ) -> Result<Self, Error> {
        let engine = Arc::new(Engine::load(model_dir, options)?);
        let identity = recording::Engine {
            name: "native".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            commit: None,
        };
        let mut manifest = Manifest::new(identity, describe_model(model_dir)?);
        manifest.device = device.into();
        manifest.precision = precision.into();
        Ok(Self {
            engine,
            manifest,
            multinomial: Multinomial::default(),
        })
    }

    /// Draws tokens as the torch that made `golden` does.
    pub fn like(&mut self, golden: &Manifest) {
        self.multinomial = match golden.libraries.get("torch") {
            Some(version) if !draws_from_mkl(version) => Multinomial::TwoDraws,
            _ => Multinomial::MklStream,
        };
    }

    /// The manifest of what this engine records, with no cases yet.
    pub fn manifest(&self, feed: Feed) -> Manifest {
        Manifest {
            feed,
            ..self.manifest.clone()
        }
    }

    /// Synthesises a case from end to end.
    pub fn cascaded(&self, case: &Case, file: &CaseFile) -> Result<CaseRecord, Error> {
        let (request, prompt) = self.prepare(case, file)?;
        let recorded = RecordedCase::of(case, file)?;
        Ok(cascaded::record(
            &self.engine,
            recorded,
            &request,
            &prompt,
            self.sampler(case),
        )?)
    }

    /// Synthesises a case that has a text, and tells how long each part took.
    pub fn time(&self, case: &Case, file: &CaseFile) -> Result<Timing, Error> {
        let (request, prompt) = self.prepare(case, file)?;
        let mut sampler = self.sampler(case);
        Ok(timing::measure(
            &self.engine,
            &request,
            &prompt,
            &mut sampler,
        )?)
    }

    /// Runs every stage of a case on what the golden says it was fed.
    pub fn isolated(
        &self,
        case: &Case,
        file: &CaseFile,
        golden: &CaseRecord,
    ) -> Result<CaseRecord, Error> {
        let (request, prompt) = self.prepare(case, file)?;
        let recorded = RecordedCase::of(case, file)?;
        let sampler = self.sampler(case);
        Ok(isolated::record(
            &self.engine,
            recorded,
            &request,
            &prompt,
            sampler,
            golden,
        )?)
    }

    fn sampler(&self, case: &Case) -> Sampler {
        let strategy = Strategy::Torch {
            seed: case.seed,
            multinomial: self.multinomial,
        };
        Sampler::new(strategy, self.engine.llm.config().sampling)
    }

    fn prepare(&self, case: &Case, file: &CaseFile) -> Result<(Request, Waveform), Error> {
        let read = |wav: &PathBuf| Waveform::read(&file.resolve(wav));
        let missing = |what: &str| {
            native::Error::input(format!(
                "case {} is {} and has no {what}",
                case.name,
                case.mode.name()
            ))
        };
        let mode = match case.mode {
            case::Mode::ZeroShot => Mode::ZeroShot {
                prompt_text: case
                    .prompt_text
                    .clone()
                    .ok_or_else(|| missing("prompt_text"))?,
            },
            case::Mode::CrossLingual => Mode::CrossLingual,
            case::Mode::Instruct => Mode::Instruct {
                instruct: case.instruct.clone().ok_or_else(|| missing("instruct"))?,
            },
            case::Mode::Vc => Mode::VoiceConversion {
                source: read(
                    case.source_wav
                        .as_ref()
                        .ok_or_else(|| missing("source_wav"))?,
                )?,
            },
        };
        let request = Request {
            text: case.text.clone(),
            mode,
            speed: case.speed,
        };
        Ok((request, read(&case.prompt_wav)?))
    }
}

/// Whether that torch's x86-64 wheels draw `multinomial(1)` from an MKL stream. Checked: 2.3.1
/// does, 2.15.0 does not.
fn draws_from_mkl(torch: &str) -> bool {
    let minor = torch
        .strip_prefix("2.")
        .and_then(|rest| rest.split('.').next()?.parse::<u32>().ok());
    minor.is_some_and(|minor| minor < 15)
}
