use std::convert::Infallible as Never;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use futures_util::future::{Either, select};
use native::engine::Engine;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use crate::config::Config;
use crate::error::Failure;
use crate::metrics::Metrics;
use crate::order::{Order, Words};
use crate::queue::{Place, Queue, Ticket};
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
        let route = order.route;
        let (begins, begun) = oneshot::channel::<Never>();
        let waiting = Wait {
            app: self.clone(),
            events: sender.clone(),
            arrived,
            number,
            route,
        };
        let ticket = self.queue.submit(place, move || {
            drop(begins);
            let seed = order.seed;
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
        Handle::current().spawn(waiting.watch(ticket, begun));
        Submitted { number, events }
    }
}

/// An order that no worker has taken yet.
struct Wait {
    app: Arc<App>,
    events: UnboundedSender<Event>,
    arrived: Instant,
    number: u64,
    route: &'static str,
}

impl Wait {
    /// Takes the order out of the queue at its deadline, which is answered, or when the client goes
    /// away. `begun` is dropped when a worker takes it.
    async fn watch(self, ticket: Ticket, begun: oneshot::Receiver<Never>) {
        let Self {
            app,
            events,
            arrived,
            number,
            route,
        } = self;
        let deadline = arrived + app.config.time_limit;
        let given_up = pin!(tokio::time::timeout_at(deadline.into(), events.closed()));
        let Either::Left((given_up, _)) = select(given_up, begun).await else {
            return;
        };
        if !ticket.withdraw() {
            return;
        }
        let outcome = match given_up {
            Ok(()) => Outcome::Cancelled,
            Err(_) => Outcome::Failed,
        };
        let waited = arrived.elapsed().as_secs_f64();
        // Whoever has the answer finds it counted.
        app.metrics
            .said(route, outcome, &Summary::default(), waited);
        if outcome == Outcome::Failed {
            tracing::warn!(number, route, "no worker was free within the time limit");
            // Where it cannot be sent, nobody listens any more.
            let _ = events.send(Event::Failed(Failure::timeout()));
        }
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

    fn order() -> Order {
        Order {
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
        }
    }

    #[test]
    fn a_client_that_goes_away_while_it_waits_leaves_its_place() {
        let engine = Engine::builder(tiny_model()).build().unwrap();
        let mut config = Config::new("tiny");
        config.workers = 1;
        let app = Arc::new(App::new(engine, config).unwrap());
        let (go, wait) = std::sync::mpsc::channel::<()>();
        app.queue.submit(app.place().ok().unwrap(), move || {
            let _ = wait.recv();
        });
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            drop(app.submit(app.place().ok().unwrap(), order()));
            while app.queue.length() > 1 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        drop(go);
    }

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
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let answer = runtime.block_on(async {
            let mut submitted = app.submit(app.place().ok().unwrap(), order());
            tokio::time::timeout(Duration::from_secs(20), submitted.events.recv()).await
        });
        let Ok(Some(Event::Failed(failure))) = answer else {
            panic!("the order waits for the worker");
        };
        assert_eq!(failure.code, "time_limit");
        assert_eq!(app.queue.length(), 1, "its place is free again");
        drop(go);
    }
}
