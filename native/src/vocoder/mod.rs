//! vocoder

mod config;

pub use config::{F0Config, IstftConfig, VocoderConfig};
