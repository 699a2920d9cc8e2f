use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::names::{PART, beside, parent, resolve};
use crate::unfinished::{remove, unfinished};
use crate::{Error, Lock, swap};

/// Writes `path`, replacing the file that may be there.
///
/// # Errors
/// If the file cannot be written. The old one is then untouched.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    write_files([(path, bytes)])
}

/// Writes several files. None is replaced before all of them are on the disk.
///
/// A link is followed, and what is not a file, such as `/dev/stdout`, is written to.
///
/// # Errors
/// If a file cannot be written. The old ones are then untouched, but for those that had their new
/// content already when the system refused to rename another.
pub fn write_files<'a>(files: impl IntoIterator<Item = (&'a Path, &'a [u8])>) -> Result<(), Error> {
    let written: Vec<_> = files
        .into_iter()
        .map(|(path, bytes)| Part::write(path, bytes))
        .collect::<Result<_, _>>()?;
    written.into_iter().flatten().try_for_each(Part::publish)
}

/// A file's content, on the disk but not under its name. Dropped, it leaves no trace.
struct Part {
    part: PathBuf,
    path: PathBuf,
    _lock: Lock,
}

impl Part {
    /// `None` if `path` is no file and has been written to as it is.
    fn write(path: &Path, bytes: &[u8]) -> Result<Option<Self>, Error> {
        let io = Error::io(path);
        if fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
            let direct = OpenOptions::new().write(true).open(path);
            direct.and_then(|mut f| f.write_all(bytes)).map_err(io)?;
            return Ok(None);
        }
        let path = resolve(path)?;
        let begin = || -> io::Result<(Self, File)> {
            let part = beside(&path, PART)?;
            let lock = Lock::wait(&path)?;
            let mut unfinished = unfinished();
            let _told_by_the_next_step = remove(&part);
            let mut options = OpenOptions::new();
            let file = options.write(true).create_new(true).open(&part)?;
            unfinished.part(&part);
            Ok((
                Self {
                    part,
                    path: path.clone(),
                    _lock: lock,
                },
                file,
            ))
        };
        let written = begin().and_then(|(this, mut file)| {
            file.write_all(bytes)?;
            file.sync_all()?;
            Ok(this)
        });
        written.map(Some).map_err(io)
    }

    fn publish(self) -> Result<(), Error> {
        let _held = unfinished();
        fs::rename(&self.part, &self.path)
            .and_then(|()| swap::sync_folder(parent(&self.path)))
            .map_err(Error::io(&self.path))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let mut unfinished = unfinished();
        let _left_to_the_next = remove(&self.part);
        unfinished.done(&self.part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap();
        let mut names: Vec<_> = entries
            .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_replaces_the_old_one_and_leaves_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        for content in ["old", "new"] {
            write_file(&path, content.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
        assert_eq!(names(dir.path()), ["a.json"]);
    }

    #[test]
    fn of_several_files_none_is_replaced_if_one_cannot_be_written() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("absent/b"));
        fs::write(&a, "old").unwrap();
        write_files([(&*a, &b"new"[..]), (&*b, &b"new"[..])]).unwrap_err();
        assert_eq!(fs::read_to_string(&a).unwrap(), "old");
        assert_eq!(names(dir.path()), ["a"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_has_the_mode_that_the_umask_leaves_and_a_link_stays_one() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let (plain, ours) = (dir.path().join("plain"), dir.path().join("ours"));
        fs::write(&plain, "").unwrap();
        write_file(&ours, b"").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&plain), mode(&ours));

        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&ours, &link).unwrap();
        write_file(&link, b"through the link").unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read(&ours).unwrap(), b"through the link");
        write_file(Path::new("/dev/null"), b"nowhere").unwrap();
        assert_eq!(names(dir.path()), ["link", "ours", "plain"]);
    }

    #[test]
    fn a_folder_is_not_replaced_by_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("folder");
        fs::create_dir(&path).unwrap();
        assert!(write_file(&path, b"x").is_err());
        assert_eq!(names(dir.path()), ["folder"]);
    }
}
