//! Two folders change places.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::names::{OLD, beside, parent};
use crate::unfinished::remove;

/// Puts the folder `part` at `to`. What was at `to` lies at `part` afterwards, or is gone.
///
/// Where the file system can, both change places in one step. Elsewhere the old folder steps aside
/// first; if the process is killed at that moment, [`recover`] puts it back.
pub fn put(part: &Path, to: &Path) -> io::Result<()> {
    if to.exists() {
        match exchange(part, to) {
            Err(e) if e.kind() == io::ErrorKind::Unsupported => in_two_steps(part, to)?,
            done => done?,
        }
    } else {
        fs::rename(part, to)?;
    }
    sync_folder(parent(to))
}

fn in_two_steps(part: &Path, to: &Path) -> io::Result<()> {
    let old = beside(to, OLD)?;
    fs::rename(to, &old)?;
    if let Err(e) = fs::rename(part, to) {
        // If this fails, too, the next process puts it back.
        let _left_to_the_next = fs::rename(&old, to);
        return Err(e);
    }
    sync_folder(parent(to))?;
    let _left_to_the_next = remove(&old);
    Ok(())
}

/// Ends what a process that was killed in the midst of [`put`] had begun.
pub fn recover(to: &Path) -> io::Result<()> {
    let old = beside(to, OLD)?;
    if !old.exists() {
        return Ok(());
    }
    if to.exists() {
        let _left_to_the_next = remove(&old);
        return Ok(());
    }
    fs::rename(&old, to)?;
    sync_folder(parent(to))
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn exchange(a: &Path, b: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    match renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(()),
        // What old kernels and some network file systems say.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            Err(io::ErrorKind::Unsupported.into())
        }
        Err(e) => Err(e.into()),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn exchange(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Makes the names in `dir` survive a power failure.
pub fn sync_folder(dir: &Path) -> io::Result<()> {
    // Windows opens no folders, and keeps their entries by itself.
    if cfg!(unix) {
        File::open(dir)?.sync_all()?;
    }
    Ok(())
}

/// Makes everything in `dir` survive a power failure.
pub fn sync_tree(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_all()?;
        }
    }
    sync_folder(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(path: &Path, content: &str) {
        fs::create_dir(path).unwrap();
        fs::write(path.join("content"), content).unwrap();
    }

    fn content(path: &Path) -> String {
        fs::read_to_string(path.join("content")).unwrap()
    }

    #[test]
    fn both_ways_of_swapping_put_the_new_folder_in_place() {
        for way in [put, in_two_steps] {
            let dir = tempfile::tempdir().unwrap();
            let (part, to) = (dir.path().join("part"), dir.path().join("to"));
            folder(&part, "new");
            folder(&to, "old");
            way(&part, &to).unwrap();
            assert_eq!(content(&to), "new");
            assert!(!dir.path().join(".to.parity-old").exists());
        }
    }

    #[test]
    fn a_folder_that_cannot_be_moved_leaves_the_old_one_in_place() {
        for way in [put, in_two_steps] {
            let dir = tempfile::tempdir().unwrap();
            let to = dir.path().join("to");
            folder(&to, "old");
            assert!(way(&dir.path().join("absent"), &to).is_err());
            assert_eq!(content(&to), "old");
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn a_kill_between_the_two_steps_is_mended() {
        let dir = tempfile::tempdir().unwrap();
        let (old, to) = (dir.path().join(".to.parity-old"), dir.path().join("to"));
        folder(&old, "old");
        recover(&to).unwrap();
        assert_eq!(content(&to), "old");
        // Killed after the second step: the new folder is there, and the old one is left over.
        folder(&old, "older");
        recover(&to).unwrap();
        assert_eq!(content(&to), "old");
        assert!(!old.exists());
    }
}
