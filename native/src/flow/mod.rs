//! The flow-matching model: speech tokens to log-mel spectrogram.
//!
//! Stages handed to a [`Tap`](crate::tap::Tap): `flow.mu`, `flow.step.01` to `flow.step.10` and
//! `flow.mel`. The layers of a step are `time_embed` `[dim]`, `input_embed`, `block.00.attention`,
//! `block.00` …, `norm_out` (each [2, frames, dim], guided half first) and the guided `velocity`
//! [80, frames].

mod config;
mod dit;
mod encoder;
#[cfg(test)]
mod tests;
mod time;
mod token_to_mel;

pub use config::{DitConfig, FlowConfig};
pub use time::{TimeStep, time_grid};
pub use token_to_mel::{Conditioning, Flow, FlowInput};
