//! Threads that wait for the next product by spinning.
//!
//! Decoding a token takes about a hundred products, one after the other. Each reads a few megabytes,
//! and waking the threads of a pool for it costs a tenth of that. The threads here spin for a moment
//! after a product, so that they notice the next one at once, and sleep if there is none.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, TryLockError};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// How long a thread spins before it sleeps.
const PATIENCE: Duration = Duration::from_micros(300);
/// Spins between two looks at the clock, after which the processor is offered to others.
const SPINS: usize = 500;

/// Runs `work` on `threads` threads at once, the caller's among them, and returns when all are done.
/// Returns `false`, and runs nothing, if another product is using the threads.
pub(crate) fn run(threads: usize, work: &(dyn Fn() + Sync)) -> bool {
    static TEAM: OnceLock<Mutex<Team>> = OnceLock::new();
    if threads <= 1 {
        work();
        return true;
    }
    let team = TEAM.get_or_init(|| Mutex::new(Team::default()));
    let mut team = match team.try_lock() {
        Ok(team) => team,
        // A panic of a product leaves nothing behind.
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => return false,
    };
    team.run(threads - 1, work)
}

/// The threads beside the caller's. They live as long as the program.
#[derive(Default)]
struct Team {
    helpers: Vec<Helper>,
}

struct Helper {
    thread: Thread,
    seat: Arc<Seat>,
}

/// Where a helper finds its work.
#[derive(Default)]
struct Seat {
    work: Mutex<Option<Work>>,
    /// Counts the pieces of work that were handed out, and those that were done.
    given: AtomicUsize,
    done: AtomicUsize,
    sleeps: AtomicBool,
    panicked: AtomicBool,
}

/// A borrowed closure whose lifetime the caller of [`Team::run`] vouches for.
#[derive(Clone, Copy)]
struct Work(*const (dyn Fn() + Sync));

// SAFETY: what it points to may be shared between threads.
unsafe impl Send for Work {}

impl Team {
    fn run(&mut self, helpers: usize, work: &(dyn Fn() + Sync)) -> bool {
        while self.helpers.len() < helpers {
            let Some(helper) = Helper::spawn() else {
                return false;
            };
            self.helpers.push(helper);
        }
        // SAFETY: only the lifetime changes. Every helper is waited for below, also if the work
        // panics here, so that none uses the closure after it is gone.
        let erased = Work(unsafe {
            std::mem::transmute::<*const (dyn Fn() + Sync + '_), *const (dyn Fn() + Sync)>(work)
        });
        let helpers = &self.helpers[..helpers];
        for helper in helpers {
            helper.give(erased);
        }
        let own = catch_unwind(AssertUnwindSafe(work));
        let panicked = helpers.iter().filter(|helper| helper.finish()).count();
        if let Err(panic) = own {
            std::panic::resume_unwind(panic);
        }
        assert_eq!(panicked, 0, "a thread panicked in a product");
        true
    }
}

impl Helper {
    fn spawn() -> Option<Self> {
        let seat = Arc::new(Seat::default());
        let own = seat.clone();
        let builder = std::thread::Builder::new().name("packed-linear".into());
        let handle = builder.spawn(move || own.serve()).ok()?;
        Some(Self {
            thread: handle.thread().clone(),
            seat,
        })
    }

    fn give(&self, work: Work) {
        *self.seat.lock() = Some(work);
        self.seat.given.fetch_add(1, Ordering::SeqCst);
        if self.seat.sleeps.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
    }

    /// Waits for the work that was given, and says whether it panicked.
    fn finish(&self) -> bool {
        let seat = &self.seat;
        let given = seat.given.load(Ordering::Relaxed);
        let mut spins = 0;
        while seat.done.load(Ordering::Acquire) != given {
            spin(&mut spins);
        }
        seat.panicked.swap(false, Ordering::Relaxed)
    }
}

impl Seat {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Work>> {
        self.work
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn serve(&self) {
        let mut done = 0;
        loop {
            self.wait(done);
            let work = self.lock().take();
            if let Some(Work(work)) = work {
                // SAFETY: whoever gave the work keeps it alive until `done` says that it is done.
                let work = unsafe { &*work };
                if catch_unwind(AssertUnwindSafe(work)).is_err() {
                    self.panicked.store(true, Ordering::Relaxed);
                }
            }
            done += 1;
            self.done.store(done, Ordering::Release);
        }
    }

    /// Returns once more work was given than `done`.
    fn wait(&self, done: usize) {
        let begin = Instant::now();
        let mut spins = 0;
        while self.given.load(Ordering::SeqCst) == done {
            spin(&mut spins);
            if spins % SPINS == 0 && begin.elapsed() > PATIENCE {
                self.sleeps.store(true, Ordering::SeqCst);
                while self.given.load(Ordering::SeqCst) == done {
                    std::thread::park();
                }
                self.sleeps.store(false, Ordering::SeqCst);
            }
        }
    }
}

/// Waits for a moment, and now and then lets another thread have the processor.
fn spin(spins: &mut usize) {
    *spins += 1;
    if spins.is_multiple_of(SPINS) {
        std::thread::yield_now();
    } else {
        std::hint::spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_thread_runs_the_work_and_all_are_waited_for() {
        for pause in [Duration::ZERO, 3 * PATIENCE] {
            for threads in [1, 2, 3] {
                let runs = AtomicUsize::new(0);
                let ran = run(threads, &|| {
                    runs.fetch_add(1, Ordering::Relaxed);
                });
                // Other tests may be using the threads.
                assert!(!ran || runs.load(Ordering::Relaxed) == threads);
                std::thread::sleep(pause);
            }
        }
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_threads_go_on() {
        let panicked = catch_unwind(|| {
            run(2, &|| {
                let on_helper = std::thread::current().name() == Some("packed-linear");
                assert!(!on_helper, "on purpose");
            })
        });
        assert!(panicked.is_err() || panicked.is_ok_and(|ran| !ran));
        let runs = AtomicUsize::new(0);
        if run(2, &|| {
            runs.fetch_add(1, Ordering::Relaxed);
        }) {
            assert_eq!(runs.load(Ordering::Relaxed), 2);
        }
    }

    #[test]
    fn two_callers_never_wait_for_each_other() {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        run(2, &|| {});
                    }
                });
            }
        });
    }
}
