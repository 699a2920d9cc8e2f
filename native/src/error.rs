use std::path::{Path, PathBuf};

use crate::stage::Stage;

/// What can go wrong in the engine, each with what the reader needs to mend it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be opened, read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A file was read, but is damaged, truncated or of another kind than expected.
    #[error("{}: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and the way out where there is one.
        reason: String,
    },
    /// A weight file lacks tensors, has unexpected ones, or has some of another shape.
    #[error("{}: {reason}", path.display())]
    Weights {
        /// The weight file.
        path: PathBuf,
        /// Which tensors, and what was expected of them.
        reason: String,
    },
    /// A text, prompt or option that the model cannot be given.
    #[error("{0}")]
    Input(String),
    /// A network computed values that are NaN or infinite.
    #[error(
        "{stage} is not finite: {bad} of {all} values are not numbers (NaN or infinite), the first \
         {first}; the weights or the recording are damaged, or the precision is too low for them: \
         try f32"
    )]
    NotFinite {
        /// The stage at whose end they were noticed.
        stage: Stage,
        /// How many values they are.
        bad: usize,
        /// How many values the stage has.
        all: usize,
        /// Where they began: the stage, and its layer where one is known.
        first: String,
    },
    /// A tensor operation failed: shapes that do not fit, or a device that gave up.
    #[error("{0}")]
    Tensor(candle_core::Error),
}

/// A result whose error is the engine's own.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        Self::Tensor(without_backtrace(error))
    }
}

impl From<wetext::Error> for Error {
    fn from(error: wetext::Error) -> Self {
        match error {
            wetext::Error::Io { path, source } => Self::Io { path, source },
            wetext::Error::Format { path, reason } => Self::Format { path, reason },
        }
    }
}

/// The error itself: candle wraps it in its own call stack where `RUST_BACKTRACE` is set, and a
/// page of that would bury the message.
pub(crate) fn without_backtrace(error: candle_core::Error) -> candle_core::Error {
    match error {
        candle_core::Error::WithBacktrace { inner, .. } => without_backtrace(*inner),
        candle_core::Error::Context { inner, context } => candle_core::Error::Context {
            inner: Box::new(without_backtrace(*inner)),
            context,
        },
        error => error,
    }
}

impl Error {
    /// An [`Error::Io`] about `path`, for `map_err`.
    pub fn io(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { path, source }
    }

    /// An [`Error::Format`] about `path`.
    pub fn format(path: impl AsRef<Path>, reason: impl std::fmt::Display) -> Self {
        Self::Format {
            path: path.as_ref().to_owned(),
            reason: reason.to_string(),
        }
    }

    /// An [`Error::Weights`] about `path`.
    pub fn weights(path: impl AsRef<Path>, reason: impl std::fmt::Display) -> Self {
        Self::Weights {
            path: path.as_ref().to_owned(),
            reason: reason.to_string(),
        }
    }

    /// An [`Error::Input`].
    pub fn input(reason: impl std::fmt::Display) -> Self {
        Self::Input(reason.to_string())
    }
}

/// An error's message followed by those of its causes, without repeating a cause that the message
/// already names, and without the numbers of the operating system's errors.
pub fn error_chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut chain = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        if !chain.contains(&message) {
            chain = format!("{chain}: {message}");
        }
        cause = error.source();
    }
    plain(&chain)
}

/// Takes ` (os error 2)` and the like out of a message, and words the most frequent one for people.
fn plain(message: &str) -> String {
    const NUMBER: &str = " (os error ";
    let message = message.replace(
        "No such file or directory (os error 2)",
        "there is no such file or folder",
    );
    let mut parts = message.split(NUMBER);
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.trim_start_matches(|c: char| c.is_ascii_digit()) {
            rest if rest.len() < part.len() && rest.starts_with(')') => plain += &rest[1..],
            _ => plain.extend([NUMBER, part]),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_the_message_names_is_not_repeated() {
        let io = std::io::Error::other("the disk is gone");
        let error = Error::io("a.wav")(io);
        assert_eq!(error_chain(&error), "a.wav: the disk is gone");
    }

    #[test]
    fn numbers_of_the_operating_system_are_left_out() {
        for (message, expected) in [
            (
                "a: No such file or directory (os error 2); b",
                "a: there is no such file or folder; b",
            ),
            ("Is a directory (os error 21)", "Is a directory"),
            (
                "x (os error y), z (os error 1",
                "x (os error y), z (os error 1",
            ),
        ] {
            assert_eq!(plain(message), expected);
        }
    }
}
