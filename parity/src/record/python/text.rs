use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::{Error, interpreter};
use crate::text_corpus::{FrontendOutput, FrontendSetting, Outcome, Reference};

/// Where the reference is, as far as its text frontend needs it.
#[derive(Clone, Debug)]
pub struct TextOptions {
    /// The CosyVoice checkout.
    pub root: PathBuf,
    /// The model directory.
    pub model_dir: PathBuf,
    /// The environment with the reference's packages.
    pub env: PathBuf,
    /// The folder of this project's `cosyvoice_reference`.
    pub package: PathBuf,
    /// A folder with wetext 0.0.4, without which its setting cannot be asked for.
    pub older_wetext: Option<PathBuf>,
}

/// The reference's text frontend.
pub struct PythonText {
    frontend: Py<PyAny>,
}

#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Answered {
    normalized: String,
    segments: Vec<String>,
    ids: Vec<Vec<u32>>,
}

impl PythonText {
    /// Imports the reference and loads the model, whose frontend is one of its parts.
    ///
    /// # Errors
    /// If the environment, the checkout or the model is missing, or Python raises an exception.
    pub fn load(options: &TextOptions) -> Result<Self, Error> {
        Python::attach(|py| {
            interpreter::enter(py, &options.env, &options.package)?;
            let load = || {
                let paths = (&options.root, &options.model_dir, &options.older_wetext);
                let package = py.import("cosyvoice_reference")?;
                Ok(package.call_method1("load_text", paths)?.unbind())
            };
            let frontend = load().map_err(Error::python(py, "loading the reference"))?;
            Ok(Self { frontend })
        })
    }

    /// Versions, commit and hashes of what answers here.
    ///
    /// # Errors
    /// If Python raises an exception.
    pub fn provenance(&self) -> Result<Reference, Error> {
        Python::attach(|py| {
            let provenance = self.frontend.call_method0(py, "provenance");
            provenance
                .and_then(|p| p.extract(py))
                .map_err(Error::python(py, "asking the reference for its versions"))
        })
    }

    /// What the reference makes of each text.
    ///
    /// # Errors
    /// If Python raises an exception outside of the frontend.
    pub fn answers(&self, texts: &[&str], setting: FrontendSetting) -> Result<Vec<Outcome>, Error> {
        Python::attach(|py| {
            let asked = || {
                let answers = self.call(py, "answers", texts, setting)?;
                let outcomes = answers.try_iter()?.map(|a| outcome(&a?));
                outcomes.collect::<PyResult<Vec<_>>>()
            };
            asked().map_err(Error::python(py, "asking the reference about texts"))
        })
    }

    /// The seconds in which each text is normalised, split and tokenised.
    ///
    /// # Errors
    /// If the reference raises an exception on one of them.
    pub fn seconds(&self, texts: &[&str], setting: FrontendSetting) -> Result<Vec<f64>, Error> {
        Python::attach(|py| {
            let asked = || {
                self.call(py, "seconds", texts, setting)?
                    .extract::<Vec<f64>>()
            };
            asked().map_err(Error::python(py, "timing the reference"))
        })
    }

    fn call<'py>(
        &self,
        py: Python<'py>,
        method: &str,
        texts: &[&str],
        setting: FrontendSetting,
    ) -> PyResult<Bound<'py, PyAny>> {
        let about = PyDict::new(py);
        about.set_item("normalizer", setting.normalizer_name())?;
        about.set_item("english_prefix", setting.english_prefix)?;
        about.set_item("text_frontend", setting.text_frontend)?;
        about.set_item("split", setting.split)?;
        self.frontend
            .bind(py)
            .call_method1(method, (texts.to_vec(), about))
    }
}

fn outcome(answer: &Bound<'_, PyAny>) -> PyResult<Outcome> {
    if answer.contains("raised")? {
        return Ok(Outcome::Raised(answer.get_item("raised")?.extract()?));
    }
    let Answered {
        normalized,
        segments,
        ids,
    } = answer.extract()?;
    Ok(Outcome::Answered(FrontendOutput {
        normalized,
        segments,
        ids,
    }))
}
