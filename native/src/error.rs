use std::path::{Path, PathBuf};

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
    /// A tensor operation failed: shapes that do not fit, or a device that gave up.
    #[error("{0}")]
    Tensor(#[from] candle_core::Error),
}

/// A result whose error is the engine's own.
pub type Result<T, E = Error> = std::result::Result<T, E>;

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
