//! Whether a machine, a model directory and a Python have what an hour of work needs, found out
//! before it.

mod machine;
mod model;
mod python;

use serde::Serialize;

pub use machine::machine;
pub use model::{ModelOptions, model};
pub use python::{PythonOptions, python};

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// What was looked at, such as `language model`.
    pub what: String,
    /// Whether it will do.
    pub state: State,
    /// What was found.
    pub found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// Whether a thing will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It will.
    Good,
    /// It will, but something about it should be known.
    Notice,
    /// It will not.
    Bad,
}

impl State {
    /// The word for it in a table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Notice => "notice",
            Self::Bad => "BAD",
        }
    }
}

impl Check {
    fn new(what: &str, state: State, found: impl Into<String>, remedy: Option<&str>) -> Self {
        Self {
            what: what.to_owned(),
            state,
            found: found.into(),
            remedy: remedy.map(str::to_owned),
        }
    }

    fn good(what: &str, found: impl Into<String>) -> Self {
        Self::new(what, State::Good, found, None)
    }

    fn notice(what: &str, found: impl Into<String>, remedy: &str) -> Self {
        Self::new(what, State::Notice, found, Some(remedy))
    }

    /// Something that will not do.
    fn bad(what: &str, error: &(dyn std::error::Error + 'static), remedy: Option<&str>) -> Self {
        Self::new(what, State::Bad, native::error_chain(error), remedy)
    }
}

/// A number of bytes, as `1.9 GB`.
fn gigabytes(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}
