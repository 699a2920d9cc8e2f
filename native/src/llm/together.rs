//! Work that several threads bring at the same time, done at once by one of them.
//!
//! Decoding a token is reading the weights once, for one segment as for several. Whoever comes while
//! nobody works does so at once, for all who wait, so that nobody waits for company: only those who
//! were there a moment ago, and will be back as soon as they have drawn their tokens, are waited for,
//! and not for long.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::{Error, Result};

/// Most pieces of work done at once: with more, products are no longer bound by reading the weights.
pub(super) const MOST: usize = 8;
/// How long those of the last time are waited for, as a part of what it took.
const PATIENCE: u32 = 8;

/// Where the threads meet: pieces of work `T`, each with a result `R`.
pub(super) struct Together<T, R> {
    state: Mutex<State<T, R>>,
    changed: Condvar,
}

struct State<T, R> {
    waiting: VecDeque<(u64, T)>,
    /// What was done, until its owner takes it: without a result where the work failed.
    done: HashMap<u64, (T, Option<R>)>,
    /// Counts the pieces of work.
    next: u64,
    /// Whether somebody works, or is about to.
    working: bool,
    /// How many of those whose work was done last have not come again.
    away: usize,
    /// What the last time took.
    took: Duration,
}

impl<T, R> Default for Together<T, R> {
    fn default() -> Self {
        Self {
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                done: HashMap::new(),
                next: 0,
                working: false,
                away: 0,
                took: Duration::ZERO,
            }),
            changed: Condvar::new(),
        }
    }
}

impl<T, R> std::fmt::Debug for Together<T, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Together").finish_non_exhaustive()
    }
}

impl<T, R> Together<T, R> {
    /// Has one piece done, with those of other threads or alone, and returns it with its result.
    /// `work` gives a result for each piece, in their order, whichever thread calls it. Where it
    /// fails or panics, each piece is done again alone: a fault is only its owner's.
    pub(super) fn run(
        &self,
        piece: T,
        work: impl Fn(&mut [T]) -> Result<Vec<R>>,
    ) -> (T, Result<R>) {
        // A thread of the pool may be lent to somebody's work while it waits for its own.
        if rayon::current_thread_index().is_some() {
            return alone(piece, work);
        }
        let mut state = self.lock();
        let own = state.next;
        state.next += 1;
        state.waiting.push_back((own, piece));
        state.away = state.away.saturating_sub(1);
        self.changed.notify_all();
        loop {
            if let Some((piece, result)) = state.done.remove(&own) {
                drop(state);
                return match result {
                    Some(result) => (piece, Ok(result)),
                    None => alone(piece, work),
                };
            }
            if state.working {
                state = self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.working = true;
            state = self.wait_for_neighbours(state);
            let count = state.waiting.len().min(MOST);
            let (numbers, pieces) = state.waiting.drain(..count).unzip();
            drop(state);
            Turn {
                together: self,
                numbers,
                pieces,
                results: Vec::new(),
                began: Instant::now(),
            }
            .work(&work);
            state = self.lock();
        }
    }

    /// Waits for those who will be back in a moment.
    fn wait_for_neighbours<'a>(
        &'a self,
        mut state: MutexGuard<'a, State<T, R>>,
    ) -> MutexGuard<'a, State<T, R>> {
        let until = Instant::now() + state.took / PATIENCE;
        while state.away > 0 && state.waiting.len() < MOST {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.changed.wait_timeout(state, left);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        state
    }

    fn lock(&self) -> MutexGuard<'_, State<T, R>> {
        // Every change of the state is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does one piece, without anybody else's.
pub(super) fn alone<T, R>(
    mut piece: T,
    work: impl Fn(&mut [T]) -> Result<Vec<R>>,
) -> (T, Result<R>) {
    let results = work(std::slice::from_mut(&mut piece));
    let one = |mut results: Vec<R>| {
        let none = || Error::input("a step of the language model has no result, which is a bug");
        results.pop().ok_or_else(none)
    };
    (piece, results.and_then(one))
}

/// Pieces that are being done. Dropped, it gives them back to their owners.
struct Turn<'a, T, R> {
    together: &'a Together<T, R>,
    numbers: Vec<u64>,
    pieces: Vec<T>,
    results: Vec<R>,
    began: Instant,
}

impl<T, R> Turn<'_, T, R> {
    fn work(mut self, work: impl Fn(&mut [T]) -> Result<Vec<R>>) {
        let pieces = &mut self.pieces;
        // Its owner meets the error, or the panic, again. Nothing of a piece that was begun counts.
        let worked = catch_unwind(AssertUnwindSafe(|| work(pieces)));
        self.results = worked.map_or_else(|_| Vec::new(), Result::unwrap_or_default);
    }
}

impl<T, R> Drop for Turn<'_, T, R> {
    fn drop(&mut self) {
        let mut state = self.together.lock();
        state.away = self.pieces.len();
        state.took = self.began.elapsed();
        let mut results = self.results.drain(..);
        for (number, piece) in self.numbers.drain(..).zip(self.pieces.drain(..)) {
            state.done.insert(number, (piece, results.next()));
        }
        state.working = false;
        self.together.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const MOMENT: Duration = Duration::from_millis(20);

    fn double(pieces: &mut [u64]) -> Result<Vec<u64>> {
        Ok(pieces.iter().map(|piece| 2 * piece).collect())
    }

    #[test]
    fn everybody_gets_the_result_of_their_own_piece() {
        let together = Together::default();
        std::thread::scope(|scope| {
            for thread in 0..2 * MOST as u64 {
                let together = &together;
                scope.spawn(move || {
                    for i in 0..50 {
                        let piece = 1000 * thread + i;
                        let (back, done) = together.run(piece, double);
                        assert_eq!((back, done.unwrap()), (piece, 2 * piece));
                    }
                });
            }
        });
        assert!(together.lock().done.is_empty());
    }

    #[test]
    fn threads_that_come_again_and_again_are_served_together() {
        let (together, largest) = (Together::default(), AtomicUsize::new(0));
        let started = Barrier::new(4);
        let turns = AtomicUsize::new(0);
        let work = |pieces: &mut [u64]| {
            turns.fetch_add(1, Ordering::Relaxed);
            largest.fetch_max(pieces.len(), Ordering::Relaxed);
            std::thread::sleep(MOMENT);
            double(pieces)
        };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    started.wait();
                    for piece in 0..10 {
                        together.run(piece, work).1.unwrap();
                    }
                });
            }
        });
        // While one works, the others come; and with the one who is back, they are four.
        assert!(largest.into_inner() >= 3);
        let turns = turns.into_inner();
        assert!(turns < 25, "{turns} turns for 40 pieces");
    }

    #[test]
    fn a_thread_that_is_alone_waits_for_nobody_who_is_still_there() {
        let together = Together::default();
        for piece in 0..3 {
            together.run(piece, double).1.unwrap();
            assert_eq!(together.lock().away, 1);
        }
        // The thread itself is the only one who is away.
        let gathered = {
            let mut state = together.lock();
            (state.away, state.took) = (0, Duration::from_secs(3600));
            let began = Instant::now();
            drop(together.wait_for_neighbours(state));
            began.elapsed()
        };
        assert!(gathered < Duration::from_secs(1), "{gathered:?}");
    }

    #[test]
    fn one_who_does_not_come_again_is_not_waited_for_long() {
        let together = Together::default();
        together.lock().away = 3;
        together.lock().took = Duration::from_millis(80);
        let began = Instant::now();
        assert_eq!(together.run(1, double).1.unwrap(), 2);
        assert!(began.elapsed() < Duration::from_secs(5));
        assert_eq!(together.lock().away, 1);
    }

    #[test]
    fn a_fault_is_its_owners_alone() {
        let together = Together::default();
        let started = Barrier::new(3);
        let work = |pieces: &mut [u64]| {
            std::thread::sleep(MOMENT);
            match pieces.contains(&13) {
                true => Err(Error::input("thirteen")),
                false => double(pieces),
            }
        };
        std::thread::scope(|scope| {
            for piece in 12..15 {
                let (together, started, work) = (&together, &started, &work);
                scope.spawn(move || {
                    started.wait();
                    for _ in 0..5 {
                        match together.run(piece, work) {
                            (back, Ok(done)) => assert_eq!((back, done), (piece, 2 * piece)),
                            (back, Err(error)) => {
                                assert_eq!((back, error.to_string()), (13, "thirteen".into()));
                            }
                        }
                    }
                });
            }
        });
    }

    #[test]
    fn a_panic_leaves_the_others_their_work() {
        let together = Together::default();
        let started = Barrier::new(3);
        let work = |pieces: &mut [u64]| {
            std::thread::sleep(MOMENT);
            assert!(!pieces.contains(&13), "planted");
            double(pieces)
        };
        std::thread::scope(|scope| {
            for piece in 12..15 {
                let (together, started, work) = (&together, &started, &work);
                scope.spawn(move || {
                    started.wait();
                    let ran = catch_unwind(AssertUnwindSafe(|| together.run(piece, work)));
                    match ran {
                        Ok((_, done)) => assert_eq!(done.unwrap(), 2 * piece),
                        Err(_) => assert_eq!(piece, 13),
                    }
                });
            }
        });
        assert_eq!(together.run(1, double).1.unwrap(), 2);
    }
}
