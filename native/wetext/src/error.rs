//! Errors of opening the rule files and of normalising a text.

use std::path::PathBuf;

use crate::compose::TooLarge;

/// A rule file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A rule file could not be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The rule file.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// A file is not an OpenFst rule file, or is damaged.
    #[error("{}: {reason}", path.display())]
    Format {
        /// The rule file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// Why wetext has no result for a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The tagger accepts no reading of the text; the Python package raises AssertionError.
    #[error("wetext's tagger does not accept it (AssertionError in Python)")]
    NoTags,
    /// The tagger's output cannot be parsed; the Python package raises AssertionError or never
    /// returns.
    #[error("wetext cannot parse its own tags (AssertionError or no end in Python)")]
    MalformedTags,
    /// A rule wrote bytes that are not UTF-8; the Python package raises UnicodeDecodeError.
    #[error("wetext's rules produce invalid UTF-8 (UnicodeDecodeError in Python)")]
    NotUtf8,
    /// The rules must read a long part of the text at once, and that exceeds this crate's memory
    /// limit.
    #[error(
        "the rules have to read too long a part of it at once (this engine's own memory limit); \
         split it"
    )]
    TooLarge,
}

impl From<TooLarge> for Failure {
    fn from(_: TooLarge) -> Self {
        Self::TooLarge
    }
}
