//! The filterbank features that the speaker encoder reads.

use candle_core::{Device, Tensor};

use super::mel_filters::MelFilters;
use super::stft::{FrameTransform, symmetric_hann};
use crate::{Error, Result};

const SAMPLE_RATE: f64 = 16_000.0;
const WINDOW: usize = 400;
const HOP: usize = 160;
const N_FFT: usize = 512;
const CHANNELS: usize = 80;
const LOWEST_HZ: f64 = 20.0;
const PREEMPHASIS: f32 = 0.97;

/// Kaldi's log filterbank energies, [frames, 80], natural log, of a 16 kHz signal with full scale
/// at ±1: frames of 25 ms every 10 ms, no dither, the mean over the frames subtracted
/// (`torchaudio.compliance.kaldi.fbank`, then CosyVoice's front end).
///
/// An error for fewer than 400 samples (25 ms), which make no frame.
pub fn kaldi_fbank(wav_16k: &[f32]) -> Result<Tensor> {
    if wav_16k.len() < WINDOW {
        return Err(Error::input(format!(
            "a recording of {} samples at 16 kHz is too short for filterbank features, which need \
             at least {WINDOW}",
            wav_16k.len()
        )));
    }
    let filters = kaldi_filters();
    let window = povey();
    let mut transform = FrameTransform::new(N_FFT);
    let mut features = Vec::with_capacity(wav_16k.len() / HOP * CHANNELS);
    for frame in wav_16k.windows(WINDOW).step_by(HOP) {
        // Each of these steps rounds to float32, as in the reference: they lie before the
        // logarithm, which would magnify a difference in quiet channels.
        let mean = (frame.iter().copied().map(f64::from).sum::<f64>() / WINDOW as f64) as f32;
        let level: Vec<f32> = frame.iter().map(|x| x - mean).collect();
        let previous = level.first().into_iter().chain(&level);
        let windowed = level
            .iter()
            .zip(previous)
            .zip(&window)
            .map(|((x, previous), w)| f64::from((x - PREEMPHASIS * previous) * w));
        let power: Vec<f64> = transform
            .spectrum(windowed)
            .iter()
            .map(|z| z.norm_sqr())
            .collect();
        let floor = f64::from(f32::EPSILON);
        features.extend(
            filters
                .apply(&power)
                .map(|energy| energy.max(floor).ln() as f32),
        );
    }
    subtract_mean(&mut features);
    let frames = features.len() / CHANNELS;
    Ok(Tensor::from_vec(
        features,
        (frames, CHANNELS),
        &Device::Cpu,
    )?)
}

fn subtract_mean(features: &mut [f32]) {
    let frames = (features.len() / CHANNELS) as f64;
    for channel in 0..CHANNELS {
        let sum: f64 = features
            .iter()
            .skip(channel)
            .step_by(CHANNELS)
            .map(|&x| f64::from(x))
            .sum();
        let mean = (sum / frames) as f32;
        features
            .iter_mut()
            .skip(channel)
            .step_by(CHANNELS)
            .for_each(|x| *x -= mean);
    }
}

/// Kaldi's own window: a Hann window to the power of 0.85.
fn povey() -> Vec<f32> {
    symmetric_hann(WINDOW)
        .into_iter()
        .map(|w| f64::from(w).powf(f64::from(0.85_f32)) as f32)
        .collect()
}

/// Triangles that are linear in mels, in the float32 steps of torchaudio's `get_mel_banks`: the
/// differences of large mel values lose five digits, which is part of the features.
fn kaldi_filters() -> MelFilters {
    let lowest = mel(LOWEST_HZ);
    let spacing = (mel(SAMPLE_RATE / 2.0) - lowest) / (CHANNELS + 1) as f64;
    let (lowest, spacing) = (lowest as f32, spacing as f32);
    let bin_width = (SAMPLE_RATE / N_FFT as f64) as f32;
    let bins: Vec<f32> = (0..N_FFT / 2)
        .map(|bin| 1127.0 * f64::from(1.0 + bin_width * bin as f32 / 700.0).ln() as f32)
        .collect();
    MelFilters::from_rows((0..CHANNELS).map(|channel| {
        let edge = |offset: f32| lowest + (channel as f32 + offset) * spacing;
        let (left, centre, right) = (edge(0.0), edge(1.0), edge(2.0));
        let triangle = |&mel: &f32| {
            let rising = (mel - left) / (centre - left);
            let falling = (right - mel) / (right - centre);
            rising.min(falling).max(0.0)
        };
        bins.iter().map(triangle).collect()
    }))
}

fn mel(hz: f64) -> f64 {
    1127.0 * (1.0 + hz / 700.0).ln()
}
