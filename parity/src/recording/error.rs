use std::path::{Path, PathBuf};

use parity_atomic as atomic;

use crate::exit::Exit;

/// Why a recording could not be read or written. Each message names the file and the way out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The folder has no recording.
    #[error("{}: no recording here (it has no manifest.json); record one with `make golden` or `parity record`", dir.display())]
    Missing {
        /// The folder.
        dir: PathBuf,
    },
    /// The recording was written by another version of this program.
    #[error("{}: recording format {found}, but this program reads {known}; record again with this version", path.display())]
    UnknownFormat {
        /// The manifest.
        path: PathBuf,
        /// The format found.
        found: u64,
        /// The format that this program reads.
        known: u32,
    },
    /// A file of the recording is not as it was written.
    #[error("{}: damaged: {reason}; restore the file or record again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// A file that another program wrote is not of the form of a recording.
    #[error("{}: {reason}; what belongs there is in parity/docs/formats/recording.md", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// The inputs have changed since they were recorded.
    #[error("{}: stale: {reason}; record again", path.display())]
    Stale {
        /// The file that has changed.
        path: PathBuf,
        /// What has changed.
        reason: String,
    },
    /// The recording has no such case.
    #[error("{}: the recording has no case \"{case}\"", dir.display())]
    NoSuchCase {
        /// The recording.
        dir: PathBuf,
        /// The requested case.
        case: String,
    },
    /// A case record is invalid and cannot be written.
    #[error("case \"{case}\": {reason}")]
    Invalid {
        /// The case.
        case: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A folder that is not a recording would have been replaced by one.
    #[error("{}: exists and is not a recording; choose another folder, or remove it first", dir.display())]
    NotARecording {
        /// The folder.
        dir: PathBuf,
    },
    /// The recording could not be put in its place.
    #[error(transparent)]
    Place(atomic::Error),
    /// The model that the recording is held against cannot be read.
    #[error(transparent)]
    Model(#[from] native::Error),
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
}

impl Error {
    /// The exit status of a command that this error ends, whichever side the recording was on.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Damaged { .. } | Self::UnknownFormat { .. } | Self::Stale { .. } => Exit::Golden,
            _ => Exit::Usage,
        }
    }

    /// An error of replacing a recording's folder.
    pub(crate) fn replacing(error: atomic::Error) -> Self {
        match error {
            atomic::Error::Foreign { dir } => Self::NotARecording { dir },
            atomic::Error::Io { path, source } => Self::Io { path, source },
            other => Self::Place(other),
        }
    }

    /// An [`Error::Io`] about `path`, for `map_err`.
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    /// An [`Error::Malformed`] about `path`.
    pub(crate) fn malformed(path: &Path, reason: impl std::fmt::Display) -> Self {
        Self::Malformed {
            path: path.to_owned(),
            reason: reason.to_string(),
        }
    }

    /// The same of a file that was never sealed: nothing can be restored, and its writer has to
    /// know what is wrong.
    pub(super) fn into_malformed(self) -> Self {
        match self {
            Self::Damaged { path, reason } => Self::Malformed { path, reason },
            other => other,
        }
    }

    /// An [`Error::Damaged`] about `path`.
    pub(crate) fn damaged(path: &Path, reason: impl std::fmt::Display) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            reason: reason.to_string(),
        }
    }
}
