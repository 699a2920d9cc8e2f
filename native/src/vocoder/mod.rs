//! The HiFT vocoder: log-mel spectrogram to waveform.

mod config;
mod f0;
mod generator;
mod hift;
mod resblock;
mod source;
mod speed;
mod stft;
mod weight_norm;

pub use config::{F0Config, IstftConfig, VocoderConfig};
pub use hift::Vocoder;
pub use speed::interpolate_mel;
