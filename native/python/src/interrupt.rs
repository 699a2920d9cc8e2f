//! Work that Ctrl-C can stop.

use std::panic::resume_unwind;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use native::engine::Canceller;
use pyo3::exceptions::PyRuntimeError;
use pyo3::{PyResult, Python};

/// How often a signal is looked for while the engine works.
const LOOK: Duration = Duration::from_millis(50);

/// Does `work` in a thread of its own, with the GIL released, and waits for it. A signal whose
/// handler raises, as that of Ctrl-C does, ends the wait: then `cancel` is told, and the thread is
/// left to end by itself.
///
/// Python runs signal handlers in the main thread only. Elsewhere this just waits.
pub fn interruptible<T: Send + 'static>(
    py: Python<'_>,
    cancel: Option<&Canceller>,
    work: impl FnOnce() -> T + Send + 'static,
) -> PyResult<T> {
    let (sender, mut done) = sync_channel(1);
    let run = move || {
        // Nobody waits any more after an interruption.
        let _ = sender.send(work());
    };
    let thread = thread::Builder::new()
        .name("cosyvoice_native".to_owned())
        .spawn(run)
        .map_err(|e| PyRuntimeError::new_err(format!("cannot start a thread: {e}")))?;
    loop {
        let waiting = &mut done;
        match py.detach(move || waiting.recv_timeout(LOOK)) {
            Ok(value) => return Ok(value),
            Err(RecvTimeoutError::Timeout) => {
                if let Err(raised) = py.check_signals() {
                    if let Some(cancel) = cancel {
                        cancel.cancel();
                    }
                    return Err(raised);
                }
            }
            Err(RecvTimeoutError::Disconnected) => {
                return match thread.join() {
                    // A bug in the engine, which becomes Python's PanicException.
                    Err(panic) => resume_unwind(panic),
                    Ok(()) => Err(PyRuntimeError::new_err("a thread ended without a result")),
                };
            }
        }
    }
}
