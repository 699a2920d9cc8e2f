//! Recordings, and the features that the networks read from them.

mod fbank;
mod mel;
mod mel_filters;
mod resample;
mod sound_file;
mod stft;
mod waveform;
mod whisper_mel;

pub use fbank::kaldi_fbank;
pub use mel::mel_spectrogram;
pub(crate) use mel::{
    CHANNELS as MEL_CHANNELS, HOP as MEL_HOP, N_FFT as MEL_WINDOW, SAMPLE_RATE as MEL_RATE,
};
pub use resample::{Resampler, resample};
pub use sound_file::SoundFile;
pub use waveform::{MAX_SECONDS, MIN_SAMPLE_RATE, Waveform};
pub use whisper_mel::whisper_log_mel;

#[cfg(test)]
mod test_signals {
    //! Signals defined by a formula, so that the reference can be given the same ones.

    use std::f64::consts::TAU;

    /// White noise of 16-bit samples, full scale at ±1: the upper halves of the states of a linear
    /// congruential generator (x ← 1664525 x + 1013904223 mod 2³², from 1).
    pub fn noise(n: usize) -> Vec<f32> {
        let mut state = 1_u32;
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 16) as f32 - 32_768.0) / 32_768.0
        };
        (0..n).map(next).collect()
    }

    /// A sine of amplitude 0.5.
    pub fn sine(n: usize, hz: f64, rate: u32) -> Vec<f32> {
        (0..n)
            .map(|i| (0.5 * (TAU * hz * i as f64 / f64::from(rate)).sin()) as f32)
            .collect()
    }
}
