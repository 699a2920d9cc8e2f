//! The speech tokenizer: 25 discrete tokens for each second of speech.

use std::path::Path;

use candle_core::Tensor;
use rten::Value;
use rten_tensor::AsView;

use super::network::{Network, batched};
use crate::audio::{Waveform, whisper_log_mel};
use crate::tap::Tap;
use crate::{Error, Result};

/// The longest recording the reference tokenizes, in seconds (`_extract_speech_token`).
pub const MAX_SECONDS: usize = 30;
const SAMPLE_RATE: u32 = 16_000;

/// The network of `speech_tokenizer_v3.onnx`.
pub struct SpeechTokenizer {
    network: Network,
}

impl SpeechTokenizer {
    /// Loads `speech_tokenizer_v3.onnx`.
    pub fn load(path: &Path) -> Result<Self> {
        Ok(Self {
            network: Network::open(path, 2)?,
        })
    }

    /// The speech tokens of a spectrogram as [`whisper_log_mel`] gives it, [128, frames]: one for
    /// every four frames.
    pub fn tokens(&self, whisper_mel: &Tensor) -> Result<Vec<u32>> {
        let (_, frames) = whisper_mel.dims2()?;
        let length = i32::try_from(frames).map_err(Error::input)?;
        let length = Value::from_shape([1], vec![length]).map_err(Error::input)?;
        let output = self.network.run(vec![batched(whisper_mel)?, length])?;
        let tokens = output.into_tensor::<i32>().ok_or_else(|| {
            self.network
                .unexpected("gives something else than integer tokens")
        })?;
        let token = |&token: &i32| {
            u32::try_from(token).map_err(|_| {
                self.network
                    .unexpected(format!("gives the negative token {token}"))
            })
        };
        tokens.iter().map(token).collect()
    }

    /// The speech tokens of a recording: resampled to 16 kHz, transformed, tokenized. The
    /// spectrogram goes to `tap` as `stage`.
    ///
    /// An error for recordings of more than [`MAX_SECONDS`], as in the reference.
    pub fn tokens_of(
        &self,
        recording: &Waveform,
        stage: &str,
        tap: &mut dyn Tap,
    ) -> Result<Vec<u32>> {
        let samples = recording.at_rate(SAMPLE_RATE)?;
        if samples.len() > MAX_SECONDS * SAMPLE_RATE as usize {
            return Err(Error::input(format!(
                "a recording of {:.1} s is too long for the speech tokenizer: cut it to \
                 {MAX_SECONDS} s at most",
                recording.seconds()
            )));
        }
        let whisper_mel = whisper_log_mel(&samples)?;
        tap.tensor(stage, &whisper_mel)?;
        self.tokens(&whisper_mel)
    }
}
