//! Ctrl-C and requests to end: the command stops at once, and no file is left half-written.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;

/// What a shell gives a command that was interrupted (128 + SIGINT).
const INTERRUPTED: i32 = 130;
/// How long the command may go on to finish what it is writing.
const PATIENCE: Duration = Duration::from_millis(500);

/// Held while a file is written; the value is the unfinished file that stays if the command ends.
static WRITING: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Ends the command on SIGINT, SIGTERM and SIGHUP, between two writes.
pub fn watch() -> anyhow::Result<()> {
    ctrlc::set_handler(|| {
        let asked = Instant::now();
        let kept = loop {
            if let Ok(kept) = WRITING.try_lock() {
                break Some(kept);
            }
            if asked.elapsed() > PATIENCE {
                break None;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        match kept.as_deref() {
            Some(Some(path)) => {
                eprintln!(
                    "native: interrupted; what was said is kept in {}",
                    path.display()
                );
            }
            _ => eprintln!("native: interrupted"),
        }
        // The lock is still held: nothing is written any more.
        std::process::exit(INTERRUPTED);
    })
    .context("cannot watch for signals")
}

/// Keeps the command from being interrupted until the guard is dropped: for writes, which are
/// short. The guarded value is the file that stays if it is interrupted later.
pub fn hold() -> MutexGuard<'static, Option<PathBuf>> {
    WRITING.lock().unwrap_or_else(PoisonError::into_inner)
}
