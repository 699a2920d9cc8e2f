//! Recordings by the native engine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use native::engine::{Engine, EngineOptions};
use native::llm::{Sampler, SpeechLm, Strategy};
use native::model_dir::{LmWeights, ModelDir};
use native::tap::NoTap;
use native::torch_rng::Multinomial;
use native::voice::VoicePrompt;

use super::inputs::Inputs;
use super::layers::{self, LayerTensors};
use super::timing::{self, Timing};
use super::{cascaded, describe_model, isolated};
use crate::case::{Case, CaseFile, Keep, LmSet};
use crate::layers::Network;
use crate::recording::{self, CaseRecord, Manifest};
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
    options: EngineOptions,
    manifest: Manifest,
    multinomial: Multinomial,
    /// The weight file in use, and language models of other files that were.
    weights: PathBuf,
    idle: BTreeMap<PathBuf, SpeechLm>,
    /// The voices of cases that keep only tokens: many cases share one.
    voices: BTreeMap<PathBuf, VoicePrompt>,
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
        let weights = engine.model_dir.lm_weights(options.lm_weights)?;
        let identity = recording::EngineInfo {
            name: "native".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            commit: None,
        };
        let mut manifest = Manifest::new(identity, describe_model(model_dir)?);
        manifest.device = device.into();
        manifest.precision = precision.into();
        manifest.lm_weights = file_name(&weights);
        Ok(Self {
            engine,
            options: options.clone(),
            manifest,
            multinomial: Multinomial::default(),
            weights,
            idle: BTreeMap::new(),
            voices: BTreeMap::new(),
        })
    }

    /// Draws tokens as the torch that made `golden` does.
    pub fn match_torch_of(&mut self, golden: &Manifest) {
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

    /// Synthesises a case from end to end; as far as its tokens, if it keeps no more.
    pub fn cascaded(&mut self, case: &Case, file: &CaseFile) -> Result<CaseRecord, Error> {
        let inputs = self.prepare(case, file)?;
        let voice = self.shared_voice(&inputs, file)?;
        Ok(cascaded::record(&self.engine, inputs, voice)?)
    }

    /// Synthesises a case that has a text, and tells how long each part took.
    ///
    /// # Errors
    /// If the engine refuses the case or fails.
    pub fn time(&mut self, case: &Case, file: &CaseFile) -> Result<Timing, Error> {
        let inputs = self.prepare(case, file)?;
        Ok(timing::measure(&self.engine, inputs)?)
    }

    /// Runs every stage of a case on what the golden says it was fed.
    pub fn isolated(
        &mut self,
        case: &Case,
        file: &CaseFile,
        golden: &CaseRecord,
    ) -> Result<CaseRecord, Error> {
        let inputs = self.prepare(case, file)?;
        let voice = self.shared_voice(&inputs, file)?;
        Ok(isolated::record(&self.engine, inputs, voice, golden)?)
    }

    /// Looks into a network while it works on what the golden says it was fed.
    ///
    /// # Errors
    /// If the golden lacks that, or the engine fails.
    pub fn inside(&mut self, part: Network, golden: &CaseRecord) -> Result<LayerTensors, Error> {
        self.use_weights_of(&golden.case.case)?;
        Ok(layers::record(&self.engine, part, golden)?)
    }

    fn prepare(&mut self, case: &Case, file: &CaseFile) -> Result<Inputs, Error> {
        self.use_weights_of(case)?;
        let strategy = Strategy::Torch {
            seed: case.seed,
            multinomial: self.multinomial,
        };
        let sampler = Sampler::new(strategy, self.engine.llm.config().sampling);
        Inputs::read(case, file, sampler)
    }

    fn use_weights_of(&mut self, case: &Case) -> native::Result<()> {
        let weights = match case.lm_weights {
            None => self.engine.model_dir.lm_weights(self.options.lm_weights)?,
            Some(set) => weights_of(set, &self.engine.model_dir)?,
        };
        if weights == self.weights {
            return Ok(());
        }
        let lm = match self.idle.remove(&weights) {
            Some(lm) => lm,
            None => SpeechLm::load(
                &self.engine.model_dir,
                &weights,
                &self.options.device,
                self.options.precision.llm,
            )?,
        };
        let engine = Arc::get_mut(&mut self.engine).ok_or_else(|| {
            native::Error::input("the engine still speaks: its weights cannot be changed")
        })?;
        let idle = std::mem::replace(&mut engine.llm, lm);
        self.idle
            .insert(std::mem::replace(&mut self.weights, weights), idle);
        Ok(())
    }

    /// The voice of a case that keeps only tokens, whose features nobody looks at.
    fn shared_voice(
        &mut self,
        inputs: &Inputs,
        file: &CaseFile,
    ) -> native::Result<Option<VoicePrompt>> {
        let case = inputs.case();
        if case.keep != Keep::Tokens {
            return Ok(None);
        }
        let path = file.resolve(&case.prompt_wav);
        if let Some(voice) = self.voices.get(&path) {
            return Ok(Some(voice.clone()));
        }
        let voice = self.engine.voice(&inputs.prompt, &mut NoTap)?;
        self.voices.insert(path, voice.clone());
        Ok(Some(voice))
    }
}

/// The file of a set of weights, in the reference's format where there is one.
fn weights_of(set: LmSet, dir: &ModelDir) -> native::Result<PathBuf> {
    match set {
        LmSet::Base => dir.lm_weights(LmWeights::Reference),
        LmSet::Rl => dir
            .lm_weights(LmWeights::Rl)
            .or_else(|error| dir.lm_weights(LmWeights::RlSafetensors).map_err(|_| error)),
    }
}

fn file_name(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_string_lossy().into_owned())
}

/// Whether that torch's x86-64 wheels draw `multinomial(1)` from an MKL stream. Checked: 2.3.1
/// does, 2.15.0 does not.
fn draws_from_mkl(torch: &str) -> bool {
    let minor = torch
        .strip_prefix("2.")
        .and_then(|rest| rest.split('.').next()?.parse::<u32>().ok());
    minor.is_some_and(|minor| minor < 15)
}
