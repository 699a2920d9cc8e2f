//! A text that a Python iterator gives piece by piece.

use std::sync::{Arc, Mutex, PoisonError};

use native::{Error, Result};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyIterator;

/// The exception that the iterator raised, kept for whoever waits for the sound.
#[derive(Clone, Default)]
pub struct Raised(Arc<Mutex<Option<PyErr>>>);

impl Raised {
    pub fn take(&self) -> Option<PyErr> {
        let mut raised = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        raised.take()
    }

    fn keep(&self, error: PyErr) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }
}

/// The pieces. The engine takes them in a thread of its own, as the reference does: meanwhile the
/// sound of earlier ones can be heard.
pub struct Pieces {
    iterator: Py<PyIterator>,
    raised: Raised,
}

impl Pieces {
    pub fn new(iterator: Py<PyIterator>, raised: &Raised) -> Self {
        let raised = raised.clone();
        Self { iterator, raised }
    }

    fn piece(&self, py: Python<'_>) -> Option<PyResult<String>> {
        let piece = self.iterator.bind(py).clone().next()?;
        Some(piece.and_then(|piece| {
            piece.extract().map_err(|_| {
                PyTypeError::new_err(format!("a piece of the text is {piece:?}, not a str"))
            })
        }))
    }
}

impl Iterator for Pieces {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Result<String>> {
        let piece = match Python::try_attach(|py| self.piece(py)) {
            Some(piece) => piece?,
            None => return Some(Err(Error::input("Python is ending"))),
        };
        Some(piece.map_err(|error| {
            let message = format!("the text's iterator raised {error}");
            self.raised.keep(error);
            Error::input(message)
        }))
    }
}
