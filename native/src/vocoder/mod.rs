//! The HiFT vocoder: log-mel spectrogram to waveform.
//!
//! Stages handed to a [`Tap`](crate::tap::Tap): `vocoder.f0`, `vocoder.source`, `vocoder.wav`; a deep
//! one also gets `vocoder.f0/condnet.0` and following, `vocoder.wav/stft` (of the source),
//! `vocoder.wav/conv_pre`, then of each upsampling i `vocoder.wav/up.i`,
//! `vocoder.wav/source_branch.i` and `vocoder.wav/resblock.i.j`, and `vocoder.wav/conv_post`, each
//! [1, channels, time].

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
