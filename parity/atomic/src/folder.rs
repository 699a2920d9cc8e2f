use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::names::{PART, beside, parent, resolve};
use crate::unfinished::{remove, unfinished};
use crate::{Error, Lock, swap};

/// A folder in the making, beside the one that it will replace. Dropped, it leaves no trace.
#[derive(Debug)]
pub struct Replacement {
    dir: PathBuf,
    marker: &'static str,
    part: PathBuf,
    _lock: Lock,
}

impl Replacement {
    /// Begins a folder that will lie in `dir`. An existing `dir` must be empty or hold the file
    /// `marker`, by which a folder of this kind is known. What a killed process left is removed.
    ///
    /// # Errors
    /// If `dir` holds something else, another process is writing it, or the folder cannot be
    /// created.
    pub fn begin(dir: &Path, marker: &'static str) -> Result<Self, Error> {
        Self::locked_by(dir, marker, Lock::beside)
    }

    /// Like [`Self::begin`], but waits for another process that is writing `dir`.
    ///
    /// # Errors
    /// If `dir` holds something else, or the folder cannot be created.
    pub fn wait(dir: &Path, marker: &'static str) -> Result<Self, Error> {
        Self::locked_by(dir, marker, |dir| Lock::wait(dir).map_err(Error::io(dir)))
    }

    fn locked_by(
        dir: &Path,
        marker: &'static str,
        lock: impl FnOnce(&Path) -> Result<Lock, Error>,
    ) -> Result<Self, Error> {
        let dir = resolve(dir)?;
        refuse_foreign(&dir, marker)?;
        let part = beside(&dir, PART).map_err(Error::io(&dir))?;
        fs::create_dir_all(parent(&dir)).map_err(Error::io(parent(&dir)))?;
        let lock = lock(&dir)?;
        swap::recover(&dir).map_err(Error::io(&dir))?;
        let mut unfinished = unfinished();
        let _told_by_the_next_step = remove(&part);
        fs::create_dir(&part).map_err(Error::io(&part))?;
        unfinished.part(&part);
        Ok(Self {
            dir,
            marker,
            part,
            _lock: lock,
        })
    }

    /// The folder that will be replaced, with links followed.
    pub fn target(&self) -> &Path {
        &self.dir
    }

    /// The folder to write into.
    pub fn path(&self) -> &Path {
        &self.part
    }

    /// Puts the folder in its place, and removes the one that was there.
    ///
    /// # Errors
    /// If the folder cannot be moved. The old one is then still in its place.
    pub fn finish(self) -> Result<(), Error> {
        swap::sync_tree(&self.part).map_err(Error::io(&self.part))?;
        // While this is held, nobody removes what is about to be published.
        let _held = unfinished();
        refuse_foreign(&self.dir, self.marker)?;
        swap::put(&self.part, &self.dir).map_err(Error::io(&self.dir))
        // The folder that was there has the other's name now, and goes when `self` is dropped.
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        let mut unfinished = unfinished();
        let _left_to_the_next = remove(&self.part);
        unfinished.done(&self.part);
    }
}

fn refuse_foreign(dir: &Path, marker: &str) -> Result<(), Error> {
    match fs::read_dir(dir).map(|mut entries| entries.next().is_some()) {
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

    fn names(dir: &Path) -> Vec<std::ffi::OsString> {
        let entries = fs::read_dir(dir).unwrap();
        entries.map(|e| e.unwrap().file_name()).collect()
    }

    fn write(dir: &Path, content: &str) -> Result<(), Error> {
        let folder = Replacement::begin(dir, "mark")?;
        fs::write(folder.path().join("mark"), content).unwrap();
        folder.finish()
    }

    fn read(dir: &Path) -> String {
        fs::read_to_string(dir.join("mark")).unwrap()
    }

    #[test]
    fn a_folder_replaces_the_old_one_and_leaves_no_other() {
        let root = tempfile::tempdir().unwrap();
        for name in ["plain", "with a space", "ünï-日本", &"l".repeat(255)] {
            let dir = root.path().join(name);
            for content in ["old", "new"] {
                write(&dir, content).unwrap();
                assert_eq!(read(&dir), content);
                assert_eq!(names(root.path()), [name]);
            }
            fs::remove_dir_all(dir).unwrap();
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_name_that_is_not_utf8_is_a_name_like_any_other() {
        use std::os::unix::ffi::OsStrExt as _;
        let root = tempfile::tempdir().unwrap();
        let name = std::ffi::OsStr::from_bytes(b"a\xff\xfe b");
        let dir = root.path().join(name);
        write(&dir, "old").unwrap();
        write(&dir, "new").unwrap();
        assert_eq!(read(&dir), "new");
        assert_eq!(names(root.path()), [name]);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_a_folder_stays_a_link_and_one_to_nowhere_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let (real, link) = (root.path().join("real/deep"), root.path().join("link"));
        fs::create_dir_all(&real).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        write(&link, "old").unwrap();
        write(&link, "new").unwrap();
        assert!(link.is_symlink());
        assert_eq!(read(&real), "new");
        assert_eq!(names(&root.path().join("real")), ["deep"]);

        fs::remove_dir_all(&real).unwrap();
        let message = write(&link, "x").unwrap_err().to_string();
        assert!(message.contains("link: a symbolic link to"), "{message}");
    }

    #[test]
    fn what_a_killed_process_left_is_removed() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("golden");
        let left = root.path().join(".golden.parity-part");
        fs::create_dir_all(left.join("case")).unwrap();
        fs::write(left.join("case/half"), "x").unwrap();
        fs::write(root.path().join(".golden.parity-lock"), "process 1").unwrap();
        write(&dir, "new").unwrap();
        assert_eq!(names(root.path()), ["golden"]);
        assert_eq!(names(&dir), ["mark"]);
    }

    #[test]
    fn what_a_live_neighbour_is_writing_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("golden");
        let neighbour = Replacement::begin(&dir, "mark").unwrap();
        fs::write(neighbour.path().join("mark"), "theirs").unwrap();
        let error = write(&dir, "ours").unwrap_err();
        assert!(matches!(error, Error::Busy { .. }), "{error}");
        neighbour.finish().unwrap();
        assert_eq!(read(&dir), "theirs");
        assert_eq!(names(root.path()), ["golden"]);
    }

    #[test]
    fn a_folder_that_came_to_hold_something_else_is_not_replaced() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("golden");
        let folder = Replacement::begin(&dir, "mark").unwrap();
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("thesis.tex"), "years of work").unwrap();
        assert!(matches!(folder.finish(), Err(Error::Foreign { .. })));
        assert_eq!(names(&dir), ["thesis.tex"]);
        assert_eq!(names(root.path()), ["golden"]);
    }
}
