//! The HiFT vocoder: log-mel spectrogram to waveform.
//!
//! Stages handed to a [`Tap`](crate::tap::Tap): `vocoder.f0`, `vocoder.source` and `vocoder.wav`. The
//! layers of `vocoder.f0` are `condnet.0` and following; those of `vocoder.wav` are `stft` (of the
//! source), `conv_pre`, then for each upsampling i `up.i`, `source_branch.i` and `resblock.i.j`, and
//! `conv_post`, each [1, channels, time].

mod config;
mod f0;
mod generator;
mod hift;
mod resblock;
mod source;
mod speed;
mod stft;
#[cfg(test)]
mod tests;
mod weight_norm;

pub use config::{F0Config, IstftConfig, VocoderConfig};
pub use hift::Vocoder;
pub use speed::interpolate_mel;
