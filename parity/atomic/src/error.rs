use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why a file or folder could not be put in its place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The folder holds something that must not be replaced.
    #[error("{}: exists and holds something else; choose another folder, or remove it first", dir.display())]
    Foreign {
        /// The folder.
        dir: PathBuf,
    },
    /// Another process is writing the same.
    #[error("{}: {owner} is writing here; wait until it has ended, or choose another place", path.display())]
    Busy {
        /// The file or folder that both would write.
        path: PathBuf,
        /// The other process.
        owner: Owner,
    },
    /// A symbolic link leads nowhere.
    #[error("{}: a symbolic link to something that does not exist; create that, or remove the link", path.display())]
    Dangling {
        /// The link.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

/// The process that holds a lock, as far as it has said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner(pub(crate) Option<String>);

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(who) => f.write_str(who),
            None => f.write_str("another process"),
        }
    }
}
