use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use native::engine::Engine;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::config::Config;
use crate::error::Failure;
use crate::metrics::Metrics;
use crate::order::{Order, Words};
use crate::queue::{Place, Queue};
use crate::say::{Event, Outcome, Said, Summary, say};
use crate::voices::Voices;

/// What all requests share.
pub(crate) struct App {
    pub(crate) engine: Engine,
    pub(crate) config: Config,
    /// The folder of recordings, as the system resolves its name.
    pub(crate) prompt_dir: Option<PathBuf>,
    pub(crate) voices: Voices,
    pub(crate) queue: Queue,
    pub(crate) metrics: Metrics,
    /// Set when the server has been asked to end.
    pub(crate) stopping: AtomicBool,
    requests: AtomicU64,
}

impl App {
    pub(crate) fn new(engine: Engine, config: Config) -> anyhow::Result<Self> {
        let prompt_dir = match &config.prompt_dir {
            Some(folder) => Some(folder.canonicalize().map_err(native::Error::io(folder))?),
            None => None,
        };
        Ok(Self {
            voices: Voices::load(&engine, config.speakers.clone())?,
            queue: Queue::start(config.workers, config.queue)?,
            metrics: Metrics::default(),
            stopping: AtomicBool::new(false),
            requests: AtomicU64::new(0),
            prompt_dir,
            engine,
            config,
        })
    }

    /// A place in the queue.
    pub(crate) fn place(&self) -> Result<Place, Failure> {
        self.queue.place().inspect_err(|_| {
            self.metrics.refused.inc();
        })
    }

    /// Has an order said, in a place of the queue.
    pub(crate) fn submit(self: &Arc<Self>, place: Place, order: Order) -> Submitted {
        let number = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let (sender, events) = unbounded_channel();
        let (app, runtime) = (self.clone(), Handle::current());
        let arrived = Instant::now();
        let deadline = arrived + self.config.time_limit;
        // Taken by a worker, or given up because none was free in time: whichever comes first.
        let taken = Arc::new(AtomicBool::new(false));
        let giving_up = runtime.spawn(give_up(sender.clone(), deadline, taken.clone()));
        self.queue.submit(place, move || {
            giving_up.abort();
            if taken.swap(true, Ordering::AcqRel) {
                app.metrics.said(
                    order.route,
                    Outcome::Failed,
                    &Summary::default(),
                    arrived.elapsed().as_secs_f64(),
                );
                tracing::warn!(
                    number,
                    route = order.route,
                    "no worker was free within the time limit"
                );
                return;
            }
            let (route, seed) = (order.route, order.seed);
            let text = match &order.text {
                Words::Whole(text) if app.config.log_texts => Some(text.clone()),
                _ => None,
            };
            let waited = arrived.elapsed().as_secs_f64();
            let Said {
                outcome,
                summary,
                last,
            } = say(&app, order, &sender, deadline, &runtime);
            let took = arrived.elapsed().as_secs_f64();
            // Whoever has the answer finds it counted.
            app.metrics.said(route, outcome, &summary, took);
            if let Some(last) = last {
                // Where it cannot be sent, nobody listens any more.
                let _ = sender.send(last);
            }
            let level_is_info = outcome != Outcome::Failed;
            let speech = summary.seconds();
            let first_sound = summary.first_sound;
            if level_is_info {
                tracing::info!(
                    number,
                    route,
                    ?outcome,
                    seed,
                    waited,
                    first_sound,
                    took,
                    speech,
                    text
                );
            } else {
                tracing::warn!(
                    number,
                    route,
                    ?outcome,
                    seed,
                    waited,
                    first_sound,
                    took,
                    speech,
                    text
                );
            }
        });
        Submitted { number, events }
    }
}

/// Answers an order that no worker has taken by its deadline.
async fn give_up(events: UnboundedSender<Event>, deadline: Instant, taken: Arc<AtomicBool>) {
    let gone = tokio::time::timeout_at(deadline.into(), events.closed()).await;
    if gone.is_err() && !taken.swap(true, Ordering::AcqRel) {
        // Where it cannot be sent, nobody listens any more.
        let _ = events.send(Event::Failed(Failure::timeout()));
    }
}

/// What becomes of an order that was submitted. Dropped, it cancels the order.
pub(crate) struct Submitted {
    /// Counts the orders of this server.
    pub(crate) number: u64,
    pub(crate) events: UnboundedReceiver<Event>,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use parity_fixture::testing::tiny_model;

    use super::*;
    use crate::order::{Manner, Output, Recording, Speaker};

    #[test]
    fn an_order_that_no_worker_takes_in_time_is_answered_in_time() {
        let engine = Engine::builder(tiny_model()).build().unwrap();
        let mut config = Config::new("tiny");
        (config.workers, config.time_limit) = (1, Duration::from_millis(100));
        let app = Arc::new(App::new(engine, config).unwrap());
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let busy = app.place().ok().unwrap();
        app.queue.submit(busy, move || {
            let _ = wait.recv();
        });
        let order = Order {
            route: "/",
            text: Words::Whole("Hello.".to_owned()),
            speaker: Speaker::Recording {
                sound: Recording::Bytes(Vec::new()),
                manner: Manner::CrossLingual,
            },
            seed: 0,
            speed: 1.0,
            streamed: false,
            output: Output::Reference,
        };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let answer = runtime.block_on(async {
            let mut submitted = app.submit(app.place().ok().unwrap(), order);
            tokio::time::timeout(Duration::from_secs(20), submitted.events.recv()).await
        });
        let Ok(Some(Event::Failed(failure))) = answer else {
            panic!("the order waits for the worker");
        };
        assert_eq!(failure.code, "time_limit");
        drop(go);
    }
}
