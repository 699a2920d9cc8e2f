//! Workers that say one request after another, and the few that may wait for them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::Failure;

type Job = Box<dyn FnOnce() + Send>;

/// A job with its place, until a worker takes it or it is withdrawn.
type Waiting = Arc<Mutex<Option<(Place, Job)>>>;

/// A bounded queue and its workers. They end with it.
pub(crate) struct Queue {
    jobs: Sender<Waiting>,
    /// One for each request that is being said or waits.
    places: Arc<Semaphore>,
    workers: usize,
    capacity: usize,
    load: Arc<Load>,
}

/// What the workers have to do.
#[derive(Default)]
struct Load {
    running: AtomicUsize,
    /// Milliseconds that the last requests took, smoothed.
    typical: AtomicU64,
}

/// A place in the queue, until it is dropped.
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
}

/// A job that was submitted.
pub(crate) struct Ticket(Waiting);

impl Ticket {
    /// Gives up the job and its place, unless a worker has taken it.
    pub(crate) fn withdraw(&self) -> bool {
        take(&self.0).is_some()
    }
}

fn take(waiting: &Waiting) -> Option<(Place, Job)> {
    waiting
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take()
}

impl Queue {
    pub(crate) fn start(workers: usize, waiting: usize) -> std::io::Result<Self> {
        let workers = workers.max(1);
        let (jobs, receiver) = channel::<Waiting>();
        let receiver = Arc::new(Mutex::new(receiver));
        let load = Arc::new(Load::default());
        for number in 1..=workers {
            let (receiver, load) = (receiver.clone(), load.clone());
            let work = move || {
                loop {
                    let next = receiver
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .recv();
                    let Ok(waiting) = next else { return };
                    // One that was withdrawn has left nothing.
                    let Some((_place, job)) = take(&waiting) else {
                        continue;
                    };
                    load.running.fetch_add(1, Ordering::Relaxed);
                    let began = Instant::now();
                    // A bug in one request must not take the worker from the others.
                    if catch_unwind(AssertUnwindSafe(job)).is_err() {
                        tracing::error!("a request ended in a panic, which is a bug");
                    }
                    load.note(began.elapsed());
                    load.running.fetch_sub(1, Ordering::Relaxed);
                }
            };
            let thread = std::thread::Builder::new().name(format!("worker {number}"));
            thread.spawn(work)?;
        }
        let capacity = workers + waiting;
        Ok(Self {
            jobs,
            places: Arc::new(Semaphore::new(capacity)),
            workers,
            capacity,
            load,
        })
    }

    /// A place, or a refusal that says when to come again.
    pub(crate) fn place(&self) -> Result<Place, Failure> {
        let place = self.places.clone().try_acquire_owned();
        place.map(|_permit| Place { _permit }).map_err(|_| Failure {
            retry_after: Some(self.wait()),
            ..Failure::new(
                StatusCode::TOO_MANY_REQUESTS,
                "queue_full",
                format!(
                    "{} requests are being said or wait: try again in {} s",
                    self.capacity,
                    self.wait()
                ),
            )
        })
    }

    /// Hands a job to the next worker that is free. Its place is given up when it is done or
    /// withdrawn.
    pub(crate) fn submit(&self, place: Place, job: impl FnOnce() + Send + 'static) -> Ticket {
        let waiting: Waiting = Arc::new(Mutex::new(Some((place, Box::new(job)))));
        // The workers live as long as the sender.
        let _ = self.jobs.send(waiting.clone());
        Ticket(waiting)
    }

    /// Requests that are being said or wait.
    pub(crate) fn length(&self) -> usize {
        self.capacity - self.places.available_permits()
    }

    /// Requests that are being said.
    pub(crate) fn running(&self) -> usize {
        self.load.running.load(Ordering::Relaxed)
    }

    /// Waits until nothing is said any more.
    pub(crate) async fn idle(&self) {
        let all = u32::try_from(self.capacity).unwrap_or(u32::MAX);
        // It fails only where the semaphore is closed, which it never is.
        let _ = self.places.acquire_many(all).await;
    }

    /// Seconds until a place is likely to be free.
    fn wait(&self) -> u64 {
        let typical = self.load.typical.load(Ordering::Relaxed);
        let rounds = self.length().div_ceil(self.workers) as u64;
        (typical * rounds).div_ceil(1000).clamp(1, 60)
    }
}

impl Load {
    fn note(&self, took: Duration) {
        let took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let smooth = |typical: u64| (3 * typical + took.min(3_600_000)) / 4;
        let _ = self
            .typical
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |t| Some(smooth(t)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_refuses_and_says_when_to_come_again() {
        let queue = Queue::start(1, 1).unwrap();
        let (go, wait) = channel::<()>();
        queue.submit(queue.place().unwrap(), move || {
            let _ = wait.recv();
        });
        let waiting = queue.place().unwrap();
        let refused = queue.place().err().expect("no third place");
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
        assert!(refused.retry_after.is_some_and(|s| (1..=60).contains(&s)));
        drop(waiting);
        assert!(queue.place().is_ok());
        drop(go);
    }

    #[test]
    fn a_job_that_is_withdrawn_gives_up_its_place_and_never_runs() {
        let queue = Queue::start(1, 1).unwrap();
        let (go, wait) = channel::<()>();
        let (began, begun) = channel();
        let running = queue.submit(queue.place().unwrap(), move || {
            began.send(()).unwrap();
            let _ = wait.recv();
        });
        begun.recv().unwrap();
        assert!(!running.withdraw());
        let (ran, runs) = channel();
        let withdrawn = {
            let ran = ran.clone();
            queue.submit(queue.place().unwrap(), move || ran.send("first").unwrap())
        };
        assert!(queue.place().is_err());
        assert!(withdrawn.withdraw() && !withdrawn.withdraw());
        assert_eq!(queue.length(), 1);
        queue.submit(queue.place().unwrap(), move || ran.send("second").unwrap());
        drop(go);
        assert_eq!(runs.iter().collect::<Vec<_>>(), ["second"]);
    }

    #[test]
    fn a_worker_survives_a_panic() {
        let queue = Queue::start(1, 4).unwrap();
        queue.submit(queue.place().unwrap(), || panic!("planted"));
        let (done, wait) = channel();
        queue.submit(queue.place().unwrap(), move || done.send(()).unwrap());
        assert!(wait.recv_timeout(Duration::from_secs(30)).is_ok());
    }
}
