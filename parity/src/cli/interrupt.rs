//! Ctrl-C and `kill`: what is half-written goes, and the process ends by the signal, so that
//! whoever started it sees why.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long the files of a stopping process may take to remove; the rest is for the next one.
#[cfg(unix)]
const PATIENCE: Duration = Duration::from_millis(500);

static STOPPING: AtomicBool = AtomicBool::new(false);

/// Begins to watch for signals.
///
/// Hanging up is left to the system: a handler would undo `nohup`. What is left then is removed by
/// the next process that writes there.
#[cfg(unix)]
pub fn watch() -> std::io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
    let stop = move || {
        if let Some(signal) = signals.forever().next() {
            STOPPING.store(true, Ordering::SeqCst);
            parity_atomic::abandon(PATIENCE);
            // Returns only if the signal does not end a process by default, which these do.
            let _ended = signal_hook::low_level::emulate_default_handler(signal);
        }
    };
    let builder = std::thread::Builder::new().name("signals".into());
    builder.spawn(stop).map(|_detached| ())
}

/// Elsewhere the system ends the process, and the next one removes what it left.
#[cfg(not(unix))]
pub fn watch() -> std::io::Result<()> {
    Ok(())
}

/// Does not return while a signal is ending the process: what fails then fails because its files
/// have been removed, which is nothing to tell anybody.
pub fn wait_if_stopping() {
    while STOPPING.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(10));
    }
}
