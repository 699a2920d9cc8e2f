use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyTuple};

use super::{Error, LogitRows, convert, interpreter};
use crate::case::{Case, CaseFile, Keep, LmSet, Text};
use crate::layers::Network;
use crate::record::Timing;
use crate::recording::{CaseRecord, EngineInfo, Manifest, ModelInfo, RecordedCase};
use crate::stage::{Key, Stage};

/// Told how far the reference has come: the part of the work and what of it is done. It is called
/// from any thread.
pub type Progress = Arc<dyn Fn(&str, usize) + Send + Sync>;

/// Where the reference is and how it is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The CosyVoice checkout.
    pub root: PathBuf,
    /// The model directory.
    pub model_dir: PathBuf,
    /// The file in it that the language model's weights are from.
    pub lm_weights: String,
    /// The environment with the reference's packages.
    pub env: PathBuf,
    /// The folder of this project's `cosyvoice_reference`.
    pub package: PathBuf,
    /// Threads of torch. Sums over several are not the same numbers as over one.
    pub threads: usize,
    /// Which rows of the logits to keep.
    pub logit_rows: LogitRows,
    /// The networks whose layers are recorded too.
    pub layers: Vec<Network>,
}

/// The reference with a model loaded.
pub struct PythonEngine {
    reference: Py<PyAny>,
    lm_weights: String,
    logit_rows: LogitRows,
    layers: Vec<Network>,
}

/// How far a case is taken.
#[derive(Clone, Copy)]
struct Depth {
    /// Whether the tokens are made into sound.
    sound: bool,
    /// Whether every stage is repeated in float64.
    noise: bool,
}

impl Depth {
    /// As far as what the case keeps.
    fn of(case: &Case) -> Self {
        let sound = case.keep != Keep::Tokens;
        Self {
            sound,
            noise: sound,
        }
    }
}

#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Provenance {
    libraries: BTreeMap<String, String>,
    commit: Option<String>,
    sources: BTreeMap<String, String>,
}

impl PythonEngine {
    /// Imports the reference and loads the model.
    ///
    /// # Errors
    /// If the environment, the checkout or the model is missing, or Python raises an exception.
    pub fn load(options: &Options) -> Result<Self, Error> {
        Python::attach(|py| {
            interpreter::enter(py, &options.env, &options.package)?;
            let load = || {
                let how = (
                    &options.root,
                    &options.model_dir,
                    options.threads,
                    &options.lm_weights,
                );
                Ok(py
                    .import("cosyvoice_reference")?
                    .call_method1("load", how)?
                    .unbind())
            };
            let reference = load().map_err(Error::python(py, "loading the reference"))?;
            Ok(Self {
                reference,
                lm_weights: options.lm_weights.clone(),
                logit_rows: options.logit_rows,
                layers: options.layers.clone(),
            })
        })
    }

    /// A manifest that says what runs here: versions, commit, and the hashes of the sources.
    ///
    /// # Errors
    /// If Python raises an exception.
    pub fn manifest(&self, model: ModelInfo) -> Result<Manifest, Error> {
        let provenance: Provenance = Python::attach(|py| {
            let provenance = self.reference.call_method0(py, "provenance");
            provenance
                .and_then(|p| p.extract(py))
                .map_err(Error::python(py, "asking the reference for its versions"))
        })?;
        // The reference has no version of its own but its commit.
        let commit = provenance.commit;
        let version = commit
            .as_deref()
            .map_or("unknown", |c| c.get(..7).unwrap_or(c))
            .to_owned();
        let engine = EngineInfo {
            name: "python".into(),
            version,
            commit,
            command: None,
        };
        let mut manifest = Manifest::new(engine, model);
        manifest.libraries = provenance.libraries;
        manifest.sources = provenance.sources;
        manifest.lm_weights = Some(self.lm_weights.clone());
        Ok(manifest)
    }

    /// Runs `case` of `file`. Returns what it produced and the seconds spent by part.
    ///
    /// # Errors
    /// If Python raises an exception, or hands over something that is no value of the case.
    pub fn record(
        &self,
        case: &Case,
        file: &CaseFile,
        progress: &Progress,
    ) -> Result<(CaseRecord, BTreeMap<String, f64>), Error> {
        let recorded = RecordedCase::of(case, file)?;
        let doing = format!("case \"{}\"", case.name);
        Python::attach(|py| {
            let failed = Error::python(py, &doing);
            let result = self
                .run(py, case, file, progress, Depth::of(case))
                .map_err(&failed)?;
            let dict = |name: &str| -> Result<Bound<'_, PyDict>, Error> {
                let value = result.getattr(name).map_err(&failed)?;
                value.cast_into().map_err(|e| Error::unexpected(name, e))
            };
            let (mut tensors, mut audio) = convert::arrays(&dict("arrays")?, self.logit_rows)?;
            let mut noise = convert::noise(&dict("noise")?)?;
            let kept = |key: &Key| case.has(key.stage) && case.keeps(key.stage);
            tensors.retain(|key, _| kept(key));
            noise.retain(|key, _| kept(key));
            if case.keep == Keep::Tokens {
                audio.clear();
            }
            let text = convert::text(&dict("text")?).map_err(&failed)?;
            let seconds = dict("seconds")?.extract().map_err(&failed)?;
            Ok((
                CaseRecord {
                    case: recorded,
                    text,
                    tensors,
                    noise,
                    audio,
                    unrecorded: Default::default(),
                },
                seconds,
            ))
        })
    }

    /// Synthesises a case that has a text, and tells how long each part took.
    ///
    /// # Errors
    /// If the reference refuses the case or fails.
    pub fn time(&self, case: &Case, file: &CaseFile) -> Result<Timing, Error> {
        let depth = Depth {
            sound: true,
            noise: false,
        };
        Python::attach(|py| {
            let doing = format!("timing case \"{}\"", case.name);
            let timed = || {
                let result = self.run(py, case, file, &(Arc::new(|_: &str, _| {}) as _), depth)?;
                let arrays: BTreeMap<String, Bound<'_, PyAny>> =
                    result.getattr("arrays")?.extract()?;
                let mut tokens = Vec::new();
                while let Some(segment) =
                    arrays.get(&Key::segment(Stage::LlmTokens, tokens.len()).to_string())
                {
                    tokens.push(segment.call_method0("tolist")?.extract()?);
                }
                Ok(Timing {
                    seconds: result.getattr("seconds")?.extract()?,
                    tokens,
                    flow_operations: None,
                })
            };
            timed().map_err(Error::python(py, &doing))
        })
    }

    fn run<'py>(
        &self,
        py: Python<'py>,
        case: &Case,
        file: &CaseFile,
        progress: &Progress,
        depth: Depth,
    ) -> PyResult<Bound<'py, PyAny>> {
        let about = PyDict::new(py);
        let (text, pieces): (&str, &[String]) = match case.text() {
            Some(Text::Whole(text)) => (text, &[]),
            Some(Text::Pieces(pieces)) => ("", pieces),
            None => ("", &[]),
        };
        about.set_item("mode", case.mode_name().name())?;
        about.set_item("text", text)?;
        about.set_item("pieces", pieces)?;
        about.set_item("speaker", case.speaker.as_ref().map(|s| &s.name))?;
        about.set_item("lm_weights", case.lm_weights.map(LmSet::name))?;
        about.set_item("prompt_text", case.prompt_text())?;
        about.set_item("instruct", case.instruct())?;
        about.set_item("prompt_wav", file.resolve(&case.prompt_wav))?;
        about.set_item("source_wav", case.source_wav().map(|wav| file.resolve(wav)))?;
        about.set_item("seed", case.seed)?;
        about.set_item("stream", case.stream)?;
        about.set_item("speed", case.speed)?;

        let progress = progress.clone();
        let called = move |args: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| {
            let (part, done): (String, usize) = args.extract()?;
            progress(&part, done);
            PyResult::Ok(())
        };
        let how = PyDict::new(py);
        how.set_item(
            "progress",
            PyCFunction::new_closure(py, None, None, called)?,
        )?;
        how.set_item("noise", depth.noise)?;
        how.set_item("tokens_only", !depth.sound)?;
        let layers = self.layers.iter().map(|network| network.name());
        how.set_item("layers_of", PyTuple::new(py, layers)?)?;
        self.reference
            .bind(py)
            .call_method("run", (about,), Some(&how))
    }
}
