//! The flow-matching model: speech tokens to log-mel spectrogram.
//!
//! Stages handed to a [`Tap`](crate::tap::Tap): `flow.mu`, `flow.step.01` to `flow.step.10`,
//! `flow.mel`; a deep one also gets, of each step, `time_embed` `[dim]`, `input_embed`,
//! `block.00.attention`, `block.00` …, `norm_out` (each [2, frames, dim], guided half first) and the guided `velocity` [80, frames],
//! under names like `flow.step.03/block.07`.

mod config;
mod dit;
mod encoder;
#[cfg(test)]
mod tests;
mod time;
mod token_to_mel;

pub use config::{DitConfig, FlowConfig};
pub use time::{STEPS, TimeStep, time_grid};
pub use token_to_mel::{Conditioning, Flow, FlowInput};
