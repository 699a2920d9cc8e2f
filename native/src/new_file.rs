//! Files that appear whole or not at all.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::{Error, Result};

/// A file in the making: it has a name of its own until [`NewFile::finish`] gives it the final one,
/// so that what was there under that name stays until then. Dropped, it leaves no trace.
#[derive(Debug)]
pub struct NewFile {
    path: PathBuf,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// Beside the final name, on the same file system.
    Beside(NamedTempFile),
    /// What is no regular file, such as a device or a pipe, is written to directly.
    Itself(File),
}

impl NewFile {
    /// Begins a file that will be called `path`, under a hidden name.
    ///
    /// # Errors
    /// If its folder does not exist or cannot be written to, or `path` is a folder.
    pub fn create(path: &Path) -> Result<Self> {
        let name = file_name(path)?;
        let mut prefix = OsString::from(".");
        prefix.push(name);
        prefix.push(".");
        Self::named(path, &prefix, &OsString::from(".tmp"))
    }

    /// Begins a file that will be called `path`, under a name that says that it is partial and can
    /// be read meanwhile: `speech.partial-V0xY1z.wav` for `speech.wav`.
    ///
    /// # Errors
    /// As for [`NewFile::create`].
    pub fn create_partial(path: &Path) -> Result<Self> {
        let name = Path::new(file_name(path)?);
        let mut prefix = name.file_stem().unwrap_or_default().to_owned();
        prefix.push(".partial-");
        let mut suffix = OsString::new();
        if let Some(extension) = name.extension() {
            suffix.push(".");
            suffix.push(extension);
        }
        Self::named(path, &prefix, &suffix)
    }

    fn named(path: &Path, prefix: &OsString, suffix: &OsString) -> Result<Self> {
        let io = Error::io(path);
        let place = match std::fs::metadata(path) {
            Ok(there) if there.is_dir() => return Err(Error::format(path, "this is a folder")),
            Ok(there) if !there.is_file() => {
                Place::Itself(File::options().write(true).open(path).map_err(io)?)
            }
            _ => {
                let folder = folder_of(path);
                if !folder.is_dir() {
                    let reason = "its folder does not exist: create it, or choose another";
                    return Err(Error::format(path, reason));
                }
                let mut builder = tempfile::Builder::new();
                builder.prefix(prefix).suffix(suffix);
                // As for any other file; a temporary one is its owner's alone.
                #[cfg(unix)]
                builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
                Place::Beside(builder.tempfile_in(folder).map_err(io)?)
            }
        };
        Ok(Self {
            path: path.to_owned(),
            place,
        })
    }

    /// The file, to be written.
    pub fn file(&self) -> &File {
        match &self.place {
            Place::Beside(temporary) => temporary.as_file(),
            Place::Itself(file) => file,
        }
    }

    /// The name that it has meanwhile.
    pub fn path(&self) -> &Path {
        match &self.place {
            Place::Beside(temporary) => temporary.path(),
            Place::Itself(_) => &self.path,
        }
    }

    /// Gives it the final name, once everything is on the disk. The file that had the name is
    /// replaced.
    ///
    /// # Errors
    /// If it cannot be written or renamed. The file that had the name is then untouched.
    pub fn finish(self) -> Result<()> {
        let Place::Beside(temporary) = self.place else {
            return Ok(());
        };
        temporary
            .as_file()
            .sync_all()
            .map_err(Error::io(&self.path))?;
        temporary
            .persist(&self.path)
            .map_err(|e| Error::io(&self.path)(e.error))?;
        // The name itself is on the disk only with its folder. Not every system can do that.
        #[cfg(unix)]
        File::open(folder_of(&self.path))
            .and_then(|folder| folder.sync_all())
            .or_else(|e| match e.kind() {
                std::io::ErrorKind::InvalidInput | std::io::ErrorKind::Unsupported => Ok(()),
                _ => Err(e),
            })
            .map_err(Error::io(&self.path))?;
        Ok(())
    }

    /// Leaves it under the name that it has, which is returned.
    ///
    /// # Errors
    /// If the system does not let it stay.
    pub fn keep(self) -> Result<PathBuf> {
        match self.place {
            Place::Beside(temporary) => {
                let kept = temporary.keep();
                Ok(kept.map_err(|e| Error::io(&self.path)(e.error))?.1)
            }
            Place::Itself(_) => Ok(self.path),
        }
    }
}

fn file_name(path: &Path) -> Result<&std::ffi::OsStr> {
    path.file_name()
        .ok_or_else(|| Error::format(path, "not a file name"))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries
            .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_was_there_stays_until_the_new_file_is_finished() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        std::fs::write(&path, "old").unwrap();
        let new = NewFile::create(&path).unwrap();
        new.file().write_all(b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        drop(new);
        assert_eq!(names(folder.path()), ["a.wav"]);
        let new = NewFile::create_partial(&path).unwrap();
        new.file().write_all(b"new").unwrap();
        new.finish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["a.wav"]);
    }

    #[test]
    fn a_file_that_is_kept_says_that_it_is_partial() {
        let folder = tempfile::tempdir().unwrap();
        let new = NewFile::create_partial(&folder.path().join("a.b.wav")).unwrap();
        let kept = new.keep().unwrap();
        let name = kept.file_name().unwrap().to_string_lossy().into_owned();
        assert!(
            name.starts_with("a.b.partial-") && name.ends_with(".wav"),
            "{name}"
        );
        assert_eq!(names(folder.path()), [name]);
    }

    #[test]
    fn a_folder_that_does_not_exist_and_a_folder_in_its_place_are_named() {
        let folder = tempfile::tempdir().unwrap();
        for (path, reason) in [
            (folder.path().join("no/a.wav"), "folder does not exist"),
            (folder.path().to_owned(), "this is a folder"),
            (folder.path().join(".."), "not a file name"),
        ] {
            let said = NewFile::create(&path).unwrap_err().to_string();
            assert!(
                said.contains(reason) && said.contains(path.to_str().unwrap()),
                "{said}"
            );
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_new_file_may_be_read_by_whoever_may_read_others() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
        let (usual, new) = (folder.path().join("usual"), folder.path().join("new"));
        std::fs::write(&usual, "").unwrap();
        NewFile::create(&new).unwrap().finish().unwrap();
        assert_eq!(mode(&new), mode(&usual));
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_written_to_and_not_replaced() {
        use std::os::unix::fs::FileTypeExt as _;
        let null = Path::new("/dev/null");
        let new = NewFile::create(null).unwrap();
        new.file().write_all(b"new").unwrap();
        new.finish().unwrap();
        assert!(
            std::fs::metadata(null)
                .unwrap()
                .file_type()
                .is_char_device()
        );
    }
}
