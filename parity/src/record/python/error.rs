use pyo3::prelude::*;

use crate::recording;

/// Why the reference could not be run or its results not be taken over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The interpreter or what it needs is not as expected; the message says what to do.
    #[error("{0}")]
    Environment(String),
    /// The reference, or the package that drives it, declined and said why.
    #[error("{doing}: {reason}")]
    Refused {
        /// What was being done.
        doing: String,
        /// What it said.
        reason: String,
    },
    /// Python code raised an exception that nobody expected.
    #[error("{doing}: the Python side failed\n{traceback}")]
    Failed {
        /// What was being done.
        doing: String,
        /// Python's own account.
        traceback: String,
    },
    /// A result does not have the form that was agreed on.
    #[error("`{name}`, as the Python side handed it out: {reason}")]
    Unexpected {
        /// Which result.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The recording could not be made of it.
    #[error(transparent)]
    Recording(#[from] recording::Error),
}

/// Exceptions of `cosyvoice_reference` that are messages to the user.
const REFUSALS: [&str; 5] = [
    "CheckoutError",
    "CaseError",
    "Float64Error",
    "LayersError",
    "TextError",
];

impl Error {
    /// What `error` says, for `map_err`; `doing` begins the message.
    pub(super) fn python(py: Python<'_>, doing: &str) -> impl Fn(PyErr) -> Self {
        move |error| {
            let kind = error
                .get_type(py)
                .name()
                .map(|n| n.to_string())
                .unwrap_or_default();
            let doing = doing.to_owned();
            if REFUSALS.contains(&kind.as_str()) {
                return Self::Refused {
                    doing,
                    reason: error.value(py).to_string(),
                };
            }
            let traceback = traceback(py, &error).unwrap_or_else(|_| error.to_string());
            Self::Failed { doing, traceback }
        }
    }

    /// An [`Error::Unexpected`] about `name`.
    pub(super) fn unexpected(name: &str, reason: impl std::fmt::Display) -> Self {
        Self::Unexpected {
            name: name.to_owned(),
            reason: reason.to_string(),
        }
    }
}

/// The traceback with causes and notes, as Python prints it.
fn traceback(py: Python<'_>, error: &PyErr) -> PyResult<String> {
    let lines = py
        .import("traceback")?
        .call_method1("format_exception", (error.value(py),))?;
    Ok(lines
        .extract::<Vec<String>>()?
        .concat()
        .trim_end()
        .to_owned())
}
