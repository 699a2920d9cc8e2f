//! The speech tokenizer: 25 discrete tokens for each second of speech.

use std::path::Path;

use candle_core::Tensor;
use rten::{DataType, Value};
use rten_tensor::AsView;

use super::network::{Input, Network, batched};
use crate::audio::{Waveform, whisper_log_mel};
use crate::stage::Stage;
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
    ///
    /// # Errors
    /// If the file cannot be read, or is not an ONNX network with two inputs.
    pub fn load(path: &Path) -> Result<Self> {
        let inputs = [
            Input {
                of: DataType::Float,
                shape: &[Some(1), Some(128), None],
            },
            Input {
                of: DataType::Int32,
                shape: &[Some(1)],
            },
        ];
        Ok(Self {
            network: Network::open(path, &inputs)?,
        })
    }

    /// The speech tokens of a spectrogram as [`whisper_log_mel`] gives it, [128, frames]: one for
    /// every four frames.
    ///
    /// # Errors
    /// If the spectrogram has another shape, or the network's output is not a list of tokens.
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
    /// # Errors
    /// If the recording is longer than [`MAX_SECONDS`], as in the reference.
    pub fn tokens_of(
        &self,
        recording: &Waveform,
        stage: Stage,
        tap: &mut dyn Tap,
    ) -> Result<Vec<u32>> {
        let samples = recording.at_rate(SAMPLE_RATE)?;
        if samples.len() > MAX_SECONDS * SAMPLE_RATE as usize {
            return Err(Error::input(format!(
                "a recording of {} samples at 16 kHz ({:.2} s) is too long for the speech \
                 tokenizer: cut it to {MAX_SECONDS} s at most",
                samples.len(),
                recording.seconds()
            )));
        }
        let whisper_mel = whisper_log_mel(&samples)?;
        tap.stage(stage, &whisper_mel)?;
        self.tokens(&whisper_mel)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::super::test_networks::{counting_tokenizer, mean_encoder, rounding_tokenizer};
    use super::*;
    use crate::tap::NoTap;

    fn loaded(bytes: &[u8]) -> Result<SpeechTokenizer> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("speech_tokenizer_v3.onnx");
        std::fs::write(&path, bytes).unwrap();
        SpeechTokenizer::load(&path)
    }

    #[test]
    fn the_network_sees_the_spectrogram_and_its_length() {
        let mel = Tensor::new(&[[1.5_f32, 2.5, 3.5], [6560.0, 0.0, 9.9]], &Device::Cpu).unwrap();
        let rounding = loaded(&rounding_tokenizer()).unwrap();
        assert_eq!(rounding.tokens(&mel).unwrap(), [1, 2, 3, 6560, 0, 9]);
        let counting = loaded(&counting_tokenizer()).unwrap();
        assert_eq!(counting.tokens(&mel).unwrap(), [3]);
        let one = Waveform {
            samples: vec![0.1; 24_000],
            sample_rate: 24_000,
        };
        assert_eq!(
            counting
                .tokens_of(&one, Stage::PromptWhisperMel, &mut NoTap)
                .unwrap(),
            [100]
        );
    }

    #[test]
    fn a_negative_token_is_an_error() {
        let mel = Tensor::new(&[[1.0_f32, -2.0]], &Device::Cpu).unwrap();
        let error = loaded(&rounding_tokenizer())
            .unwrap()
            .tokens(&mel)
            .unwrap_err()
            .to_string();
        assert!(error.contains("negative token -2"), "{error}");
    }

    #[test]
    fn more_than_30_seconds_are_an_error() {
        let tokenizer = loaded(&counting_tokenizer()).unwrap();
        let recording = |n| Waveform {
            samples: vec![0.1; n],
            sample_rate: 16_000,
        };
        assert_eq!(
            tokenizer
                .tokens_of(&recording(480_000), Stage::PromptWhisperMel, &mut NoTap)
                .unwrap(),
            [3000]
        );
        let error = tokenizer
            .tokens_of(&recording(480_001), Stage::PromptWhisperMel, &mut NoTap)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("480001 samples") && error.contains("30 s at most"),
            "{error}"
        );
    }

    #[test]
    fn another_network_or_none_is_an_error_that_names_the_file() {
        for bytes in [&mean_encoder()[..], b"", b"this is no network"] {
            let error = loaded(bytes).err().expect("loaded").to_string();
            assert!(error.contains("speech_tokenizer_v3.onnx"), "{error}");
        }
        let missing = SpeechTokenizer::load(Path::new("missing.onnx"))
            .err()
            .expect("loaded");
        assert!(missing.to_string().contains("missing.onnx"));
    }
}
