use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::Context as _;
use axum::Router;
use futures_util::future::{Either, select};
use native::engine::Engine;
use tokio::net::TcpListener;

use crate::app::App;
use crate::config::Config;
use crate::patient::Patient;
use crate::routes::router;

/// A server, not listening yet.
pub struct Server {
    app: Arc<App>,
}

impl Server {
    /// A server of a loaded model. The voice that comes with the model is analysed here.
    ///
    /// # Errors
    /// If the saved speakers or the model's own voice cannot be read, or the folder of recordings
    /// does not exist.
    pub fn new(engine: Engine, config: Config) -> anyhow::Result<Self> {
        let app = Arc::new(App::new(engine, config)?);
        Ok(Self { app })
    }

    /// The names of the voices.
    ///
    /// # Errors
    /// If the saved speakers cannot be read.
    pub fn voices(&self) -> native::Result<Vec<String>> {
        self.app.voices.names()
    }

    /// All routes, for a server of your own. It has to run in a tokio runtime.
    pub fn router(&self) -> Router {
        router(self.app.clone())
    }

    /// Answers requests until SIGTERM or Ctrl-C. Those that have begun are finished then; a second
    /// signal ends them. `ready` is told where the server listens.
    ///
    /// # Errors
    /// If the address cannot be listened at.
    pub fn run(self, address: SocketAddr, ready: impl FnOnce(SocketAddr)) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            // What takes time is done by workers.
            .worker_threads(2)
            .enable_all()
            .build()
            .context("cannot start the server's threads")?;
        runtime.block_on(async {
            let listener = TcpListener::bind(address).await;
            let listener = listener.with_context(|| format!("cannot listen at {address}"))?;
            let first = signals()?;
            ready(listener.local_addr()?);
            let (asked, told) = tokio::sync::oneshot::channel();
            let stop = async move {
                first.await;
                // Another one counts from now on. Where this cannot be sent, the server has ended.
                let _ = asked.send(signals());
            };
            let impatient = async move {
                match told.await {
                    Ok(Ok(second)) => second.await,
                    _ => std::future::pending().await,
                }
            };
            let serving = Box::pin(self.serve(listener, stop));
            match select(serving, Box::pin(impatient)).await {
                Either::Left((served, _)) => served.context("the server failed"),
                Either::Right(_) => {
                    anyhow::bail!("ended by a second signal: requests were cut off")
                }
            }
        })
    }

    /// Answers requests until `stop` is done, and finishes those that have begun.
    ///
    /// # Errors
    /// If the listener fails.
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        let app = self.app.clone();
        let stop = async move {
            stop.await;
            app.stopping.store(true, Ordering::Relaxed);
            tracing::info!("asked to end: what has begun is finished");
        };
        let listener = Patient {
            listener,
            stall_limit: self.app.config.stall_limit,
        };
        let served = axum::serve(listener, self.router()).with_graceful_shutdown(stop);
        served.await?;
        // WebSockets are no requests to axum any more.
        self.app.queue.idle().await;
        Ok(())
    }
}

/// Done when the server is asked to end.
#[cfg(unix)]
fn signals() -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    use tokio::signal::unix::{SignalKind, signal};
    let watch = |kind| signal(kind).context("cannot watch for signals");
    let mut interrupt = watch(SignalKind::interrupt())?;
    let mut terminate = watch(SignalKind::terminate())?;
    Ok(async move {
        let _ = select(Box::pin(interrupt.recv()), Box::pin(terminate.recv())).await;
    })
}

/// Done when the server is asked to end.
#[cfg(not(unix))]
fn signals() -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}
