//! What this process has in the making, so that a signal's handler can remove it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

/// Paths in the making. Whoever holds the guard may publish or remove them; nobody else does.
#[derive(Debug, Default)]
pub struct Unfinished {
    parts: BTreeSet<PathBuf>,
    locks: BTreeSet<PathBuf>,
}

static UNFINISHED: Mutex<Unfinished> = Mutex::new(Unfinished {
    parts: BTreeSet::new(),
    locks: BTreeSet::new(),
});

/// Waits for the guard: for ever, once the process has been told to stop.
pub fn unfinished() -> MutexGuard<'static, Unfinished> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Unfinished {
    pub fn part(&mut self, path: &Path) {
        self.parts.insert(path.to_owned());
    }

    pub fn lock(&mut self, path: &Path) {
        self.locks.insert(path.to_owned());
    }

    pub fn done(&mut self, path: &Path) {
        self.parts.remove(path);
        self.locks.remove(path);
    }
}

/// Removes everything that this process has in the making, for one that is about to end. From then
/// on it can neither begin nor publish anything: whoever tries waits until the process ends.
///
/// What cannot be had within `patience`, because it is being published at this moment, is left to
/// the next process that writes there.
pub fn abandon(patience: Duration) {
    let until = Instant::now() + patience;
    let guard = loop {
        match UNFINISHED.try_lock() {
            Ok(guard) => break guard,
            Err(TryLockError::Poisoned(poisoned)) => break poisoned.into_inner(),
            Err(TryLockError::WouldBlock) if Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(TryLockError::WouldBlock) => return,
        }
    };
    for part in &guard.parts {
        // Another thread may still be writing into it.
        while !remove(part) && Instant::now() < until {}
    }
    for lock in &guard.locks {
        let _left_to_the_next = std::fs::remove_file(lock);
    }
    // Held for ever: what has been removed must not be published.
    std::mem::forget(guard);
}

/// Removes a file or folder; true if nothing is there any more.
pub fn remove(path: &Path) -> bool {
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => std::fs::remove_dir_all(path).is_ok(),
        Ok(_) => std::fs::remove_file(path).is_ok(),
        Err(e) => e.kind() == std::io::ErrorKind::NotFound,
    }
}
