//! Speech over HTTP.
//!
//! One loaded model answers OpenAI's `/v1/audio/speech`, the routes of the reference's own server, a
//! WebSocket that takes the text piece by piece, and a page to try it all. `README.md` beside this
//! crate lists the routes.
//!
//! A request that carries its seed gives the same sound as `native synth` does with it, whatever else
//! is being said at the time.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used))]

mod app;
mod config;
mod error;
mod form;
mod guard;
mod metrics;
mod order;
mod patient;
mod queue;
mod reply;
mod routes;
mod say;
mod server;
mod voices;

pub use config::Config;
pub use server::Server;
