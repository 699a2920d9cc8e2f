//! Recordings by the native engine.

use std::collections::BTreeMap;
use std::path::PathBuf;

use native::engine::{Engine, EngineBuilder};
use native::llm::{LmPrompt, Strategy};
use native::model_dir::{LmWeights, ModelDir};
use native::torch_rng::Multinomial;
use native::voice::VoicePrompt;

use super::inputs::Inputs;
use super::layers::{self, LayerTensors};
use super::parting::{self, Parting};
use super::timing::{self, Timing};
use super::{Error, cascaded, describe_model, isolated};
use crate::array::Array;
use crate::case::{Case, CaseFile, Keep, LmSet};
use crate::layers::Network;
use crate::recording::{self, CaseRecord, Manifest, Reader, RecordedCase};
use crate::stage::Feed;

/// A loaded native engine that records cases.
pub struct NativeRecorder {
    /// The engine with the weights that cases use if they name none.
    engine: Engine,
    /// Engines with the other weights that were needed so far, by file.
    others: BTreeMap<PathBuf, Engine>,
    /// Where an engine's tokens need not be the reference's: the same engines with a language model
    /// whose tokens are, by file of weights.
    exact: BTreeMap<PathBuf, Engine>,
    manifest: Manifest,
    multinomial: Multinomial,
    /// The voices of cases that keep only tokens: many cases share one.
    voices: BTreeMap<PathBuf, VoicePrompt>,
}

/// Synthesises a case that has a text, and measures how long each part takes.
///
/// # Errors
/// If the engine refuses the case or fails.
pub fn time(engine: &Engine, case: &Case, file: &CaseFile) -> Result<Timing, Error> {
    let sampling = Strategy::Torch {
        seed: case.seed,
        multinomial: Multinomial::default(),
    };
    let inputs = Inputs::read(case, file, sampling)?;
    let timing = match case.lm_weights {
        None => timing::measure(engine, inputs)?,
        Some(set) => {
            let (weights, _) = weights_of(set, engine.model_dir())?;
            timing::measure(&engine.with_lm_weights(weights)?, inputs)?
        }
    };
    Ok(timing)
}

impl NativeRecorder {
    /// Loads the model. `device` and `precision` are what the manifest says of them.
    ///
    /// # Errors
    /// If the model cannot be loaded.
    pub fn load(builder: EngineBuilder, device: &str, precision: &str) -> Result<Self, Error> {
        let engine = builder.build()?;
        let identity = recording::EngineInfo {
            name: "native".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            commit: None,
            command: None,
        };
        let model = describe_model(engine.model_dir())?;
        let mut manifest = Manifest::new(identity, model);
        manifest.device = device.into();
        manifest.precision = precision.into();
        let weights = engine.lm_weights().file_name();
        manifest.lm_weights = weights.map(|name| name.to_string_lossy().into_owned());
        Ok(Self {
            engine,
            others: BTreeMap::new(),
            exact: BTreeMap::new(),
            manifest,
            multinomial: Multinomial::default(),
            voices: BTreeMap::new(),
        })
    }

    /// Draws tokens as the torch that made `golden` does.
    pub fn match_torch_of(&mut self, golden: &Manifest) {
        self.match_torch(golden.libraries.get("torch").map(String::as_str));
    }

    /// Draws tokens as a version of torch does; by default as the reference's own.
    pub fn match_torch(&mut self, version: Option<&str>) {
        self.multinomial = match version {
            Some(version) if !draws_from_mkl(version) => Multinomial::TwoDraws,
            _ => Multinomial::MklStream,
        };
    }

    /// How tokens are drawn.
    pub fn multinomial(&self) -> Multinomial {
        self.multinomial
    }

    /// The manifest of what this engine records, with no cases yet.
    pub fn manifest(&self, feed: Feed) -> Manifest {
        Manifest {
            feed,
            ..self.manifest.clone()
        }
    }

    /// Synthesises a case from end to end, or up to its tokens if it keeps no more.
    ///
    /// # Errors
    /// If the engine refuses the case or fails.
    pub fn cascaded(&mut self, case: &Case, file: &CaseFile) -> Result<CaseRecord, Error> {
        let (engine, inputs) = self.prepare(case, file)?;
        let voice = self.shared_voice(&inputs, file)?;
        Ok(cascaded::record(&engine, inputs, voice)?)
    }

    /// Runs every stage of a case on what the golden says it was fed.
    ///
    /// # Errors
    /// If the engine refuses the case or fails.
    pub fn isolated(
        &mut self,
        case: &Case,
        file: &CaseFile,
        golden: &CaseRecord,
    ) -> Result<CaseRecord, Error> {
        let (engine, inputs) = self.prepare(case, file)?;
        let voice = self.shared_voice(&inputs, file)?;
        let exact = self.exact_beside(&engine)?;
        let exact = exact.as_ref();
        Ok(isolated::record(&engine, exact, inputs, voice, golden)?)
    }

    /// Runs a network on what the golden says it was fed, and keeps the outputs of its layers.
    ///
    /// # Errors
    /// If the golden lacks those inputs, or the engine fails.
    pub fn layers(&mut self, network: Network, golden: &CaseRecord) -> Result<LayerTensors, Error> {
        let engine = self.engine_for(&golden.case.case)?;
        Ok(layers::record(&engine, network, golden)?)
    }

    /// What the golden's next token was drawn from where a candidate's parts from it.
    pub(super) fn logits_of(
        &mut self,
        golden: &Reader,
        record: &CaseRecord,
        parting: &Parting,
    ) -> Result<Option<Array>, Error> {
        let file = parting::cases_beside(golden, record)?;
        let (engine, inputs) = self.prepare(&record.case.case, &file)?;
        let voice = self.shared_voice(&inputs, &file)?;
        Ok(parting::logits(&engine, &inputs, voice, record, parting)?)
    }

    /// What the language model is given for a case of one segment, and the engine with the weights
    /// that it is for. Features of the prompt are made once for each recording.
    ///
    /// # Errors
    /// If the case has several segments or none, or the engine refuses it.
    pub fn lm_prompt(
        &mut self,
        case: &Case,
        file: &CaseFile,
    ) -> Result<(Engine, RecordedCase, LmPrompt), Error> {
        let recorded = RecordedCase::of(case, file)?;
        let mut tokens_only = case.clone();
        tokens_only.keep = Keep::Tokens;
        let (engine, inputs) = self.prepare(&tokens_only, file)?;
        let voice = match self.shared_voice(&inputs, file)? {
            Some(voice) => voice,
            None => engine.voice(&inputs.prompt)?,
        };
        let request = inputs.request(&engine, voice)?;
        let script = inputs.script(&engine, request.voice.saved())?;
        let [segment] = script.segments.as_slice() else {
            return Err(native::Error::input(format!(
                "case {}: its text has {} segments, and only texts of one are drawn many times: \
                 shorten it, or name other cases with --case",
                case.name,
                script.segments.len()
            ))
            .into());
        };
        let voice = request.voice.prompt().aligned()?;
        let prompt = engine.lm_prompt(&request.mode, &script, segment, &voice);
        Ok((engine, recorded, prompt))
    }

    fn prepare(&mut self, case: &Case, file: &CaseFile) -> Result<(Engine, Inputs), Error> {
        let sampling = Strategy::Torch {
            seed: case.seed,
            multinomial: self.multinomial,
        };
        let inputs = Inputs::read(case, file, sampling)?;
        Ok((self.engine_for(case)?, inputs))
    }

    /// The engine with the weights that the case is for.
    fn engine_for(&mut self, case: &Case) -> native::Result<Engine> {
        let Some(set) = case.lm_weights else {
            return Ok(self.engine.clone());
        };
        let (weights, file) = weights_of(set, self.engine.model_dir())?;
        if file == self.engine.lm_weights() {
            return Ok(self.engine.clone());
        }
        if let Some(engine) = self.others.get(&file) {
            return Ok(engine.clone());
        }
        let engine = self.engine.with_lm_weights(weights)?;
        self.others.insert(file, engine.clone());
        Ok(engine)
    }

    /// Holds the language model to that of another engine, which samples the reference's tokens. By
    /// default that is its own in float32 on the CPU, wherever it computes otherwise.
    pub fn hold_to(&mut self, exact: Engine) {
        self.exact
            .insert(self.engine.lm_weights().to_owned(), exact);
    }

    fn exact_beside(&mut self, engine: &Engine) -> native::Result<Option<Engine>> {
        let file = engine.lm_weights();
        if let Some(exact) = self.exact.get(file) {
            return Ok(Some(exact.clone()));
        }
        if engine.has_exact_lm() {
            return Ok(None);
        }
        let exact = engine.with_exact_lm()?;
        self.exact.insert(file.to_owned(), exact.clone());
        Ok(Some(exact))
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
        let voice = self.engine.voice(&inputs.prompt)?;
        self.voices.insert(path, voice.clone());
        Ok(Some(voice))
    }
}

/// A set of weights and its file, in the reference's format if there is one.
fn weights_of(set: LmSet, dir: &ModelDir) -> native::Result<(LmWeights, PathBuf)> {
    let choices: &[LmWeights] = match set {
        LmSet::Base => &[LmWeights::Reference],
        LmSet::Rl => &[LmWeights::Rl, LmWeights::RlSafetensors],
    };
    let found = choices
        .iter()
        .find_map(|&weights| Some((weights, dir.lm_weights(weights).ok()?)));
    match found {
        Some(found) => Ok(found),
        None => dir.lm_weights(choices[0]).map(|file| (choices[0], file)),
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
