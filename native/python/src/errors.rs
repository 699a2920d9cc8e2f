//! The engine's errors as Python's exceptions, with the same words.

use std::io::ErrorKind;

use native::{Error, error_chain};
use pyo3::PyErr;
use pyo3::exceptions::{
    PyFileNotFoundError, PyOSError, PyPermissionError, PyRuntimeError, PyValueError,
};

/// A file that cannot be opened is an `OSError`, a computation that failed a `RuntimeError`, and what
/// the caller can mend a `ValueError`.
pub fn exception(error: &Error) -> PyErr {
    let message = error_chain(error);
    match error {
        Error::Io { source, .. } => match source.kind() {
            ErrorKind::NotFound => PyFileNotFoundError::new_err(message),
            ErrorKind::PermissionDenied => PyPermissionError::new_err(message),
            _ => PyOSError::new_err(message),
        },
        Error::NotFinite { .. } | Error::Tensor(_) => PyRuntimeError::new_err(message),
        _ => PyValueError::new_err(message),
    }
}
