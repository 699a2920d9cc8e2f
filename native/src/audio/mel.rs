//! The mel spectrogram that the flow is conditioned on and generates.

use candle_core::{Device, Tensor};

use super::mel_filters::MelFilters;
use super::stft::{FrameTransform, hann, reflect};
use crate::{Error, Result};

const SAMPLE_RATE: u32 = 24_000;
const N_FFT: usize = 1920;
const HOP: usize = 480;
const CHANNELS: usize = 80;

/// Log-mel spectrogram, [frames, 80], natural log, of a 24 kHz signal: hop 480, window 1920,
/// floor ln 1e-5 (Matcha-TTS `mel_spectrogram`, transposed as CosyVoice's front end does).
///
/// An error for 720 samples (30 ms) or fewer, which cannot be padded by reflection.
pub fn mel_spectrogram(wav_24k: &[f32]) -> Result<Tensor> {
    let pad = (N_FFT - HOP) / 2;
    let padded = reflect(wav_24k, pad).ok_or_else(|| {
        Error::input(format!(
            "a recording of {} samples at 24 kHz is too short for a mel spectrogram, which needs \
             more than {pad}",
            wav_24k.len()
        ))
    })?;
    let filters = MelFilters::slaney(SAMPLE_RATE, N_FFT, CHANNELS);
    let window = hann(N_FFT);
    let mut transform = FrameTransform::new(N_FFT);
    let mut mel = Vec::with_capacity(padded.len() / HOP * CHANNELS);
    for frame in padded.windows(N_FFT).step_by(HOP) {
        let windowed = frame.iter().zip(&window).map(|(&x, &w)| f64::from(x * w));
        let magnitudes: Vec<f64> = transform
            .spectrum(windowed)
            .iter()
            .map(|z| (z.norm_sqr() + 1e-9).sqrt())
            .collect();
        mel.extend(
            filters
                .apply(&magnitudes)
                .map(|energy| energy.max(1e-5).ln() as f32),
        );
    }
    let frames = mel.len() / CHANNELS;
    Ok(Tensor::from_vec(mel, (frames, CHANNELS), &Device::Cpu)?)
}
