//! The log-mel spectrogram that the speech tokenizer reads.

use candle_core::{Device, Tensor};

use super::mel_filters::MelFilters;
use super::stft::{FrameTransform, hann, reflect};
use crate::{Error, Result};

const SAMPLE_RATE: u32 = 16_000;
const N_FFT: usize = 400;
const HOP: usize = 160;
const CHANNELS: usize = 128;

/// Whisper's log-mel spectrogram, [128, frames], of a 16 kHz signal: hop 160, base-10 logarithm,
/// clipped to 8 below the signal's maximum, then (x + 4) / 4. The signal is not padded to 30 s
/// (openai-whisper `log_mel_spectrogram`, `n_mels=128`).
///
/// # Errors
///
/// If there are 200 samples (12.5 ms) or fewer, which cannot be padded by reflection.
pub fn whisper_log_mel(wav_16k: &[f32]) -> Result<Tensor> {
    let pad = N_FFT / 2;
    let padded = reflect(wav_16k, pad).ok_or_else(|| {
        Error::input(format!(
            "a recording of {} samples at 16 kHz is too short for a log-mel spectrogram, which \
             needs more than {pad}",
            wav_16k.len()
        ))
    })?;
    let filters = MelFilters::slaney(SAMPLE_RATE, N_FFT, CHANNELS);
    let window = hann(N_FFT);
    let mut transform = FrameTransform::new(N_FFT);
    // Whisper drops the last frame, which is centred on the end of the signal.
    let frames = wav_16k.len() / HOP;
    let mut log_mel = vec![0.0; CHANNELS * frames];
    for (t, frame) in padded.windows(N_FFT).step_by(HOP).take(frames).enumerate() {
        let windowed = frame.iter().zip(&window).map(|(&x, &w)| f64::from(x * w));
        let power: Vec<f64> = transform
            .spectrum(windowed)
            .iter()
            .map(|z| z.norm_sqr())
            .collect();
        for (channel, energy) in filters.apply(&power).enumerate() {
            log_mel[channel * frames + t] = energy.max(1e-10).log10() as f32;
        }
    }
    let floor = log_mel.iter().copied().fold(f32::NEG_INFINITY, f32::max) - 8.0;
    for value in &mut log_mel {
        *value = (value.max(floor) + 4.0) / 4.0;
    }
    Ok(Tensor::from_vec(log_mel, (CHANNELS, frames), &Device::Cpu)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::test_signals::noise;

    fn log_mel(samples: &[f32]) -> Vec<Vec<f32>> {
        whisper_log_mel(samples).unwrap().to_vec2().unwrap()
    }

    #[test]
    fn values_match_the_reference() {
        // openai-whisper 20231117 under torch 2.3.1, of 12,000 samples of the test noise.
        let log_mel = log_mel(&noise(12_000));
        assert_eq!((log_mel.len(), log_mel[0].len()), (128, 75));
        let expected = [
            (0, 0, 0.520_035_3),
            (127, 0, 1.065_374),
            (10, 3, 1.008_049_5),
            (64, 40, 1.008_219_7),
            (127, 74, 0.936_264),
            (1, 74, 1.047_948_6),
        ];
        for (channel, frame, value) in expected {
            let difference: f32 = log_mel[channel][frame] - value;
            assert!(
                difference.abs() < 1e-6,
                "channel {channel}, frame {frame}: {difference:e}"
            );
        }
    }

    #[test]
    fn silence_is_eight_decades_below_the_peak() {
        let mut samples = noise(12_000);
        samples[6000..].fill(0.0);
        let values = log_mel(&samples).concat();
        let peak = values.iter().copied().fold(f32::MIN, f32::max);
        let floor = values.iter().copied().fold(f32::MAX, f32::min);
        // The reference gives 1.25733 and -0.74267: 8 decades, divided by 4.
        assert!((peak - 1.257_33).abs() < 1e-5, "{peak}");
        assert!((floor + 0.742_67).abs() < 1e-5, "{floor}");
        assert_eq!(log_mel(&samples)[5][74], floor);
    }

    #[test]
    fn a_recording_too_short_to_be_reflected_is_an_error() {
        assert_eq!(log_mel(&noise(201))[0].len(), 1);
        let error = whisper_log_mel(&noise(200)).unwrap_err().to_string();
        assert!(
            error.contains("200 samples") && error.contains("too short"),
            "{error}"
        );
        assert!(whisper_log_mel(&[]).is_err());
    }
}
