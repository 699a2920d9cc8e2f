//! A request being said.

use std::sync::{Mutex, PoisonError};

use native::engine::{Canceller, SpeechStream};
use numpy::{PyArray1, PyArray2, PyArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::errors::exception;
use crate::interrupt::interruptible;
use crate::pieces::Raised;

/// The chunks of a request's sound, made when they are asked for. Dropping it cancels the rest.
#[pyclass(frozen, module = "cosyvoice_native._native")]
pub struct Speech {
    /// Absent while a chunk is made, and after an interruption.
    stream: Mutex<Option<SpeechStream>>,
    cancel: Canceller,
    raised: Raised,
    /// The text of each segment; empty if it arrives in pieces.
    #[pyo3(get)]
    segments: Vec<String>,
    /// What the text frontend wants the user to know.
    #[pyo3(get)]
    warnings: Vec<String>,
}

impl Speech {
    pub fn new(stream: SpeechStream, warnings: Vec<String>, raised: Raised) -> Self {
        let segments = &stream.script().segments;
        Self {
            segments: segments.iter().map(|s| s.text.clone()).collect(),
            warnings,
            cancel: stream.canceller(),
            stream: Mutex::new(Some(stream)),
            raised,
        }
    }

    fn stream(&self) -> std::sync::MutexGuard<'_, Option<SpeechStream>> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sound, [1, samples] at 24 kHz, and the segment that it belongs to.
type Chunk<'py> = (Bound<'py, PyArray2<f32>>, usize);

#[pymethods]
impl Speech {
    /// The next chunk and its segment, or None at the end.
    fn next_chunk<'py>(&self, py: Python<'py>) -> PyResult<Option<Chunk<'py>>> {
        let stream = self.stream().take();
        let Some(mut stream) = stream else {
            return Err(PyValueError::new_err(
                "this speech was interrupted, or another thread waits for its next chunk",
            ));
        };
        let work = move || (stream.next(), stream);
        let (next, stream) = interruptible(py, Some(&self.cancel), work)?;
        *self.stream() = Some(stream);
        match next {
            None => Ok(None),
            Some(Ok(chunk)) => {
                let length = chunk.samples.len();
                let samples = PyArray1::from_vec(py, chunk.samples);
                Ok(Some((samples.reshape([1, length])?, chunk.segment)))
            }
            Some(Err(error)) => Err(self.raised.take().unwrap_or_else(|| exception(&error))),
        }
    }

    /// Stops it, from any thread.
    fn cancel(&self) {
        self.cancel.cancel();
    }
}
