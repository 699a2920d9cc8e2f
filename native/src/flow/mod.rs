//! The flow-matching model: speech tokens to log-mel spectrogram.

mod config;
mod dit;
mod encoder;
mod time;
mod token_to_mel;

pub use config::{DitConfig, FlowConfig};
pub use time::{STEPS, TimeStep, time_grid};
pub use token_to_mel::{Conditioning, Flow, FlowInput};
