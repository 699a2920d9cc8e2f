use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::names::{LOCK, beside};
use crate::unfinished::unfinished;
use crate::{Error, Owner};

/// The right to write one file or folder. The operating system takes it back when its process ends,
/// however that comes about; its file is removed when it is dropped.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    /// Holds the lock as long as it is open.
    _file: File,
}

impl Lock {
    /// Locks `target`, a file or folder, by a file beside it.
    ///
    /// # Errors
    /// [`Error::Busy`] if another process has it, or if the lock's file cannot be written.
    pub fn beside(target: &Path) -> Result<Self, Error> {
        let path = beside(target, LOCK).map_err(Error::io(target))?;
        Self::take(path, target)
    }

    /// Locks the files in the folder `dir`, by a file in it.
    ///
    /// # Errors
    /// [`Error::Busy`] if another process has it, or if the lock's file cannot be written.
    pub fn inside(dir: &Path) -> Result<Self, Error> {
        Self::take(dir.join(format!(".{LOCK}")), dir)
    }

    fn take(path: PathBuf, target: &Path) -> Result<Self, Error> {
        let taken = Self::locked(&path, |file| match file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(e)) => Err(e),
        });
        match taken.map_err(Error::io(&path))? {
            Some(lock) => Ok(lock),
            None => Err(Error::Busy {
                path: target.to_owned(),
                owner: owner(&path),
            }),
        }
    }

    /// Locks `target`, waiting for whoever has it.
    ///
    /// # Errors
    /// If the lock's file cannot be written.
    pub fn wait(target: &Path) -> io::Result<Self> {
        let path = beside(target, LOCK)?;
        loop {
            if let Some(lock) = Self::locked(&path, |file| file.lock().map(|()| true))? {
                return Ok(lock);
            }
        }
    }

    /// Opens `path` and locks it with `lock`; `None` if somebody else has it.
    fn locked(path: &Path, lock: impl Fn(&File) -> io::Result<bool>) -> io::Result<Option<Self>> {
        loop {
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(path)?;
            if !lock(&file)? {
                return Ok(None);
            }
            // Whoever had the lock removes its file before letting go, so that this may be a file
            // that nobody else will find.
            if !is_at(&file, path)? {
                continue;
            }
            unfinished().lock(path);
            let now = humantime::format_rfc3339_seconds(SystemTime::now());
            file.set_len(0)?;
            // A full disk must not be in the way of a lock: its words are for people only.
            let _unsaid = writeln!(file, "process {} (since {now})", std::process::id());
            return Ok(Some(Self {
                path: path.to_owned(),
                _file: file,
            }));
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let mut unfinished = unfinished();
        // Where the file could not be told from another one later, it stays.
        #[cfg(unix)]
        let _left_to_the_next = std::fs::remove_file(&self.path);
        unfinished.done(&self.path);
    }
}

/// Whether `path` is still the name of `file`.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let open = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(named) => Ok((open.dev(), open.ino()) == (named.dev(), named.ino())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> io::Result<bool> {
    Ok(true)
}

/// What the holder of a lock says of itself. It may be about to say it, or be gone already.
fn owner(path: &Path) -> Owner {
    let mut words = String::new();
    let read = File::open(path).and_then(|file| file.take(200).read_to_string(&mut words));
    let words = words.trim();
    Owner((read.is_ok() && words.starts_with("process ")).then(|| words.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_names_the_first_ones_process_and_time() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("golden");
        let first = Lock::beside(&target).unwrap();
        let message = Lock::beside(&target).unwrap_err().to_string();
        let words = format!("golden: process {} (since 2", std::process::id());
        assert!(message.contains(&words), "{message}");
        assert!(message.contains("choose another place"), "{message}");
        drop(first);
        drop(Lock::beside(&target).unwrap());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn only_one_of_many_holds_a_lock_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("x");
        let inside = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let _lock = Lock::wait(&target).unwrap();
                        let order = std::sync::atomic::Ordering::SeqCst;
                        assert_eq!(inside.fetch_add(1, order), 0);
                        assert_eq!(inside.fetch_sub(1, order), 1);
                    }
                });
            }
        });
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
