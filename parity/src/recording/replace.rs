//! Writing a folder so that it is seen whole or not at all.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{Error, MANIFEST};

/// A folder in the making, beside the one that it will replace. Dropped, it leaves no trace.
#[derive(Debug)]
pub(crate) struct Replacement {
    dir: PathBuf,
    temporary: TempDir,
}

impl Replacement {
    /// Begins a folder that will lie in `dir`, which must be none or hold a [`MANIFEST`].
    pub(crate) fn begin(dir: &Path) -> Result<Self, Error> {
        // An absolute path has a parent and a name, even where `dir` is "." or ends in "..".
        let dir = std::path::absolute(dir).map_err(Error::io(dir))?;
        let dir = dir.canonicalize().unwrap_or(dir);
        refuse_foreign(&dir)?;
        let parent = dir.parent().unwrap_or(&dir);
        std::fs::create_dir_all(parent).map_err(Error::io(parent))?;
        let temporary = sibling(&dir)?;
        Ok(Self { dir, temporary })
    }

    /// Where to write.
    pub(crate) fn path(&self) -> &Path {
        self.temporary.path()
    }

    /// Puts the folder in its place, and takes away the one that was there.
    pub(crate) fn finish(self) -> Result<(), Error> {
        refuse_foreign(&self.dir)?;
        let retired = if self.dir.exists() {
            let retired = sibling(&self.dir)?;
            let old = retired.path().join("old");
            std::fs::rename(&self.dir, &old).map_err(Error::io(&self.dir))?;
            Some((retired, old))
        } else {
            None
        };
        if let Err(e) = std::fs::rename(self.temporary.path(), &self.dir) {
            if let Some((_, old)) = &retired {
                std::fs::rename(old, &self.dir).map_err(Error::io(&self.dir))?;
            }
            return Err(Error::io(&self.dir)(e));
        }
        // It bears its own name now and must outlive the guard.
        let _renamed = self.temporary.keep();
        Ok(())
    }
}

/// A fresh folder beside `dir`, on the same file system, so that it can be renamed to it.
fn sibling(dir: &Path) -> Result<TempDir, Error> {
    let name = dir
        .file_name()
        .map(|n| n.to_string_lossy().into_owned())
        .unwrap_or_default();
    let parent = dir.parent().unwrap_or(dir);
    let mut builder = tempfile::Builder::new();
    let prefix = format!(".{name}.");
    builder.prefix(&prefix);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755));
    builder.tempdir_in(parent).map_err(Error::io(parent))
}

/// Refuses a folder that holds something else than a recording.
fn refuse_foreign(dir: &Path) -> Result<(), Error> {
    match std::fs::read_dir(dir).map(|mut entries| entries.next().is_some()) {
        Ok(true) if !dir.join(MANIFEST).is_file() => Err(Error::NotARecording {
            dir: dir.to_owned(),
        }),
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io(dir)(e)),
        _ => Ok(()),
    }
}
