//! Recordings, and the voices heard in them.

use std::path::{Path, PathBuf};

use native::audio::Waveform;
use native::engine;
use numpy::PyReadonlyArray1;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::errors::exception;

/// Samples of a recording, mono.
#[pyclass(frozen, module = "cosyvoice_native._native")]
pub struct Recording {
    pub waveform: Waveform,
    /// What errors call it; empty for samples that came without a name.
    pub name: String,
}

#[pymethods]
impl Recording {
    /// From a file of any kind that the engine reads.
    #[staticmethod]
    fn read(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let waveform = py.detach(|| Waveform::read(&path));
        Ok(Self {
            waveform: waveform.map_err(|e| exception(&e))?,
            name: path.display().to_string(),
        })
    }

    /// From what is in such a file.
    #[staticmethod]
    fn from_bytes(py: Python<'_>, contents: Vec<u8>, name: String) -> PyResult<Self> {
        let waveform = py.detach(|| Waveform::from_bytes(contents, Path::new(&name)));
        Ok(Self {
            waveform: waveform.map_err(|e| exception(&e))?,
            name,
        })
    }

    /// From samples, full scale at ±1.
    #[staticmethod]
    fn from_samples(samples: PyReadonlyArray1<'_, f32>, sample_rate: u32) -> PyResult<Self> {
        let samples = samples.as_array().to_vec();
        if samples.is_empty() || sample_rate == 0 {
            return Err(PyValueError::new_err(format!(
                "a recording of {} samples at {sample_rate} Hz has no sound",
                samples.len()
            )));
        }
        if let Some(at) = samples.iter().position(|s| !s.is_finite()) {
            return Err(PyValueError::new_err(format!(
                "sample {at} of the recording is not a finite number"
            )));
        }
        Ok(Self {
            waveform: Waveform {
                samples,
                sample_rate,
            },
            name: String::new(),
        })
    }
}

/// A voice to speak with.
#[pyclass(frozen, module = "cosyvoice_native._native")]
pub struct Voice(pub engine::Voice);
