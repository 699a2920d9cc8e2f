//! Files and folders that appear whole or not at all.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempDir};

/// A folder could not be put in its place.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder holds something that must not be replaced.
    #[error("{}: exists and holds something else; choose another folder, or remove it first", dir.display())]
    Foreign {
        /// The folder.
        dir: PathBuf,
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
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

/// Writes `path`, replacing the file that may be there.
///
/// # Errors
/// If the file cannot be written. The old one is then untouched.
pub fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let parent = path.parent().unwrap_or(Path::new(""));
    let parent = if parent.as_os_str().is_empty() {
        Path::new(".")
    } else {
        parent
    };
    let mut file: NamedTempFile = builder.tempfile_in(parent)?;
    file.write_all(bytes)?;
    file.persist(path)?;
    Ok(())
}

/// A folder in the making, beside the one that it will replace. Dropped, it leaves no trace.
#[derive(Debug)]
pub struct Replacement {
    dir: PathBuf,
    marker: &'static str,
    temporary: TempDir,
}

impl Replacement {
    /// Begins a folder that will lie in `dir`. An existing `dir` must be empty or hold the file
    /// `marker`, by which a folder of this kind is known.
    ///
    /// # Errors
    /// If `dir` holds something else, or the folder cannot be created.
    pub fn begin(dir: &Path, marker: &'static str) -> Result<Self, Error> {
        // An absolute path has a parent and a name, even if `dir` is "." or ends in "..".
        let dir = std::path::absolute(dir).map_err(Error::io(dir))?;
        let dir = dir.canonicalize().unwrap_or(dir);
        refuse_foreign(&dir, marker)?;
        let parent = dir.parent().unwrap_or(&dir);
        std::fs::create_dir_all(parent).map_err(Error::io(parent))?;
        let temporary = sibling(&dir)?;
        Ok(Self {
            dir,
            marker,
            temporary,
        })
    }

    /// The folder to write into.
    pub fn path(&self) -> &Path {
        self.temporary.path()
    }

    /// Puts the folder in its place, and removes the one that was there.
    ///
    /// # Errors
    /// If the folder cannot be moved. The old one is then still in its place.
    pub fn finish(self) -> Result<(), Error> {
        refuse_foreign(&self.dir, self.marker)?;
        replace_folder(self.temporary.path(), &self.dir)?;
        // The folder has its final name now and must outlive the guard.
        let _renamed = self.temporary.keep();
        Ok(())
    }
}

/// Moves the folder `from` to `to` on the same file system, and removes the one that was there.
///
/// # Errors
/// If `from` cannot be moved. The old folder is then put back.
pub fn replace_folder(from: &Path, to: &Path) -> Result<(), Error> {
    // Renaming over a folder that is not empty is refused, so the old one steps aside first.
    let retired = if to.exists() {
        let retired = sibling(to)?;
        let old = retired.path().join("old");
        std::fs::rename(to, &old).map_err(Error::io(to))?;
        Some((retired, old))
    } else {
        None
    };
    std::fs::rename(from, to).map_err(|error| {
        if let Some((retired, old)) = retired
            && std::fs::rename(&old, to).is_err()
        {
            // It could not be put back: leave it where it is instead of deleting it.
            let _kept = retired.keep();
        }
        Error::io(to)(error)
    })
}

/// A fresh folder beside `dir`, on the same file system, so that it can be renamed to it.
fn sibling(dir: &Path) -> Result<TempDir, Error> {
    let dir = std::path::absolute(dir).map_err(Error::io(dir))?;
    let name = dir
        .file_name()
        .map(|n| n.to_string_lossy().into_owned())
        .unwrap_or_default();
    let parent = dir.parent().unwrap_or(&dir);
    let mut builder = tempfile::Builder::new();
    let prefix = format!(".{name}.");
    builder.prefix(&prefix);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755));
    builder.tempdir_in(parent).map_err(Error::io(parent))
}

fn refuse_foreign(dir: &Path, marker: &str) -> Result<(), Error> {
    match std::fs::read_dir(dir).map(|mut entries| entries.next().is_some()) {
        Ok(true) if !dir.join(marker).is_file() => Err(Error::Foreign {
            dir: dir.to_owned(),
        }),
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::io(dir)(e)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(dir).unwrap();
        entries
            .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn a_file_replaces_the_old_one_and_leaves_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        for content in ["old", "new"] {
            write_file(&path, content.as_bytes()).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
        }
        assert_eq!(names(dir.path()), ["a.json"]);
    }

    #[test]
    fn a_folder_that_cannot_be_moved_leaves_the_old_one_in_place() {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("to");
        std::fs::create_dir(&to).unwrap();
        std::fs::write(to.join("old"), "").unwrap();
        assert!(replace_folder(&dir.path().join("absent"), &to).is_err());
        assert_eq!(names(&to), ["old"]);
        assert_eq!(names(dir.path()), ["to"]);
    }
}
