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
/// at ±1: frames of 25 ms every 10 ms, no dither, mean over the frames subtracted
/// (`torchaudio.compliance.kaldi.fbank`, then CosyVoice's front end).
///
/// # Errors
///
/// If there are fewer than 400 samples (25 ms), one frame.
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
        // Each step rounds to float32, as in the reference: the logarithm that follows would
        // magnify differences in quiet channels.
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

/// Kaldi's own window: a Hann window raised to the power of 0.85.
fn povey() -> Vec<f32> {
    symmetric_hann(WINDOW)
        .into_iter()
        .map(|w| f64::from(w).powf(f64::from(0.85_f32)) as f32)
        .collect()
}

/// Triangles that are linear in mels, in the float32 steps of torchaudio's `get_mel_banks`.
/// Differences of large mel values lose five digits there, and the features depend on it.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::test_signals::noise;

    fn fbank(samples: &[f32]) -> Vec<Vec<f32>> {
        kaldi_fbank(samples).unwrap().to_vec2().unwrap()
    }

    fn assert_values(fbank: &[Vec<f32>], expected: &[(usize, usize, f32)]) {
        for &(frame, channel, value) in expected {
            let difference = fbank[frame][channel] - value;
            assert!(
                difference.abs() < 3e-5,
                "frame {frame}, channel {channel}: {difference:e}"
            );
        }
    }

    #[test]
    fn values_match_the_reference() {
        // torchaudio 2.3.1, compliance.kaldi.fbank without its mean, of 12,000 samples of the test noise.
        let features = fbank(&noise(12_000));
        assert_eq!((features.len(), features[0].len()), (73, 80));
        let expected = [
            (0, 0, 0.363_739_73),
            (0, 79, 0.386_599_06),
            (3, 10, 0.543_471_1),
            (40, 40, -0.400_489_1),
            (72, 79, 0.467_101_57),
            (72, 1, -0.063_151_84),
        ];
        assert_values(&features, &expected);
    }

    #[test]
    fn silence_is_at_the_floor_of_float32_epsilon() {
        // torchaudio 2.3.1, for test noise whose second half is silent.
        let mut samples = noise(12_000);
        samples[6000..].fill(0.0);
        let expected = [
            (60, 0, -6.348_122_6),
            (60, 40, -10.325_541),
            (10, 40, 9.652_946),
        ];
        assert_values(&fbank(&samples), &expected);
    }

    #[test]
    fn neither_a_gain_nor_an_offset_changes_the_features() {
        let features = fbank(&noise(4000)).concat();
        let louder: Vec<f32> = noise(4000).iter().map(|x| x * 0.5 + 0.25).collect();
        for (a, b) in features.iter().zip(fbank(&louder).concat()) {
            assert!((a - b).abs() < 1e-3, "{a} against {b}");
        }
    }

    #[test]
    fn every_channel_averages_to_zero() {
        let features = fbank(&noise(8000));
        for channel in 0..CHANNELS {
            let sum: f32 = features.iter().map(|frame| frame[channel]).sum();
            assert!((sum / features.len() as f32).abs() < 1e-6);
        }
    }

    #[test]
    fn the_povey_window_matches_torchaudio() {
        let window = povey();
        assert_eq!((window[0], window[399]), (0.0, 0.0));
        assert_eq!((window[1], window[200]), (2.651_345_6e-4, 0.999_986_8));
    }

    #[test]
    fn a_recording_shorter_than_a_frame_is_an_error() {
        assert_eq!(fbank(&noise(400)).len(), 1);
        let error = kaldi_fbank(&noise(399)).unwrap_err().to_string();
        assert!(
            error.contains("399 samples") && error.contains("too short"),
            "{error}"
        );
    }
}
