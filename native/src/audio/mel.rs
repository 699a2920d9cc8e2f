//! The mel spectrogram that the flow is conditioned on and generates.

use candle_core::{Device, Tensor};

use super::mel_filters::MelFilters;
use super::stft::{FrameTransform, hann, reflect};
use crate::{Error, Result};

/// Sampling rate of what it is computed from, Hz.
pub(crate) const SAMPLE_RATE: u32 = 24_000;
/// Samples of one window, at 24 kHz.
pub(crate) const N_FFT: usize = 1920;
/// Samples from one frame to the next.
pub(crate) const HOP: usize = 480;
/// Mel channels.
pub(crate) const CHANNELS: usize = 80;

/// Log-mel spectrogram, [frames, 80], natural log, of a 24 kHz signal: hop 480, window 1920,
/// floor ln 1e-5 (Matcha-TTS `mel_spectrogram`, transposed as CosyVoice's front end does).
///
/// # Errors
///
/// If there are 720 samples (30 ms) or fewer, which cannot be padded by reflection.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::test_signals::{noise, sine};

    fn mel(samples: &[f32]) -> Vec<Vec<f32>> {
        mel_spectrogram(samples).unwrap().to_vec2().unwrap()
    }

    #[test]
    fn values_match_the_reference() {
        // Matcha-TTS mel_spectrogram under torch 2.3.1, of 12,000 samples of the test noise.
        let mel = mel(&noise(12_000));
        assert_eq!((mel.len(), mel[0].len()), (25, 80));
        let expected = [
            (0, 0, 0.512_484_97),
            (0, 79, 0.102_896_01),
            (3, 10, 0.041_802_805),
            (12, 40, -0.046_995_71),
            (24, 79, 0.008_456_375),
            (24, 1, 0.586_629),
        ];
        for (frame, channel, value) in expected {
            let difference: f32 = mel[frame][channel] - value;
            assert!(
                difference.abs() < 2e-6,
                "frame {frame}, channel {channel}: {difference:e}"
            );
        }
    }

    #[test]
    fn silence_is_at_the_floor() {
        let mut samples = noise(12_000);
        samples[6000..].fill(0.0);
        assert!(
            mel(&samples)[20]
                .iter()
                .all(|&value| value == 1e-5_f32.ln())
        );
    }

    #[test]
    fn a_gain_shifts_every_value_by_its_logarithm() {
        let quiet = mel(&noise(4800));
        let loud = mel(&noise(4800).iter().map(|x| x * 2.0).collect::<Vec<_>>());
        for (quiet, loud) in quiet.concat().iter().zip(loud.concat()) {
            assert!((loud - quiet - 2.0_f32.ln()).abs() < 1e-5);
        }
    }

    #[test]
    fn a_sine_of_1_khz_peaks_in_the_channel_around_it() {
        // On the Slaney scale 1 kHz is mel 15 and 12 kHz is mel 51.14, so the centres of the 80
        // channels are 0.6314 apart: 1 kHz is at 23.76, and the nearest channel is the 24th.
        for frame in &mel(&sine(9600, 1000.0, 24_000))[2..18] {
            let peak = (0..CHANNELS).max_by(|&a, &b| frame[a].total_cmp(&frame[b]));
            assert_eq!(peak, Some(23));
        }
    }

    #[test]
    fn a_recording_too_short_to_be_reflected_is_an_error() {
        assert_eq!(mel(&noise(721)).len(), 1);
        let error = mel_spectrogram(&noise(720)).unwrap_err().to_string();
        assert!(
            error.contains("720 samples") && error.contains("too short"),
            "{error}"
        );
        assert!(mel_spectrogram(&[]).is_err());
    }
}
