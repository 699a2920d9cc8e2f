//! From a recording to the features that the model's front end reads.

mod compressed;
mod fbank;
mod mel;
mod mel_filters;
mod resample;
mod riff;
mod stft;
#[cfg(test)]
mod test_signals;
mod waveform;
mod whisper_mel;

pub use fbank::kaldi_fbank;
pub use mel::mel_spectrogram;
pub use resample::resample;
pub use waveform::{MIN_SAMPLE_RATE, Waveform};
pub use whisper_mel::whisper_log_mel;
