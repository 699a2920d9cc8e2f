//! The speaker encoder: one vector for a voice.

use std::path::Path;
use std::str::FromStr;

use candle_core::{Device, Tensor};
use rten::DataType;
use rten_tensor::AsView;

use super::network::{Input, MAX_BYTES, Network, batched};
use super::onnx_patch;
use crate::audio::{Waveform, kaldi_fbank};
use crate::stage::Stage;
use crate::tap::Tap;
use crate::{Error, Result, file};

const SAMPLE_RATE: u32 = 16_000;

/// The divisor of an average whose window extends past the end.
///
/// The network averages over windows of 100 frames; unless half the number of frames is a multiple
/// of that, the last window is partial. onnxruntime up to 1.18, which the reference pins, divides
/// its sum by 100 all the same (onnxruntime issue 16203); later versions divide by how many
/// frames there are. The embeddings then differ by thousands of times float32's rounding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PartialWindow {
    /// By the full window, as onnxruntime 1.18 does, and as the released model was probably
    /// trained.
    #[default]
    Ort118,
    /// By the frames in it, as later versions and PyTorch do.
    TrueCount,
}

impl PartialWindow {
    /// The names on command lines.
    pub const NAMES: [&'static str; 2] = ["ort-1.18", "true-count"];
}

impl FromStr for PartialWindow {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "ort-1.18" => Ok(Self::Ort118),
            "true-count" => Ok(Self::TrueCount),
            _ => Err(format!(
                "unknown pooling `{name}` (expected {})",
                Self::NAMES.join(" or ")
            )),
        }
    }
}

/// The network of `campplus.onnx` (CAM++).
pub struct SpeakerEncoder {
    network: Network,
}

impl SpeakerEncoder {
    /// Loads `campplus.onnx`.
    ///
    /// # Errors
    /// If the file cannot be read, is not an ONNX network, or has a pool that cannot be rewritten.
    pub fn load(path: &Path, pooling: PartialWindow) -> Result<Self> {
        let bytes = file::read(path, MAX_BYTES)?;
        let inputs = [Input {
            of: DataType::Float,
            shape: &[Some(1), None, Some(80)],
        }];
        let bytes = match pooling {
            PartialWindow::TrueCount => bytes,
            PartialWindow::Ort118 => onnx_patch::divide_by_full_window(&bytes)
                .map_err(|reason| Error::format(path, reason))?,
        };
        Ok(Self {
            network: Network::from_bytes(path, bytes, &inputs)?,
        })
    }

    /// The speaker embedding, `[192]`, not normalised, of features as [`kaldi_fbank`] gives them,
    /// [frames, 80].
    ///
    /// # Errors
    /// If the embedding is not finite: the network's statistics over time need a few frames.
    pub fn embedding(&self, fbank: &Tensor) -> Result<Tensor> {
        let output = self.network.run(vec![batched(fbank)?])?;
        let embedding = output
            .into_tensor::<f32>()
            .ok_or_else(|| {
                self.network
                    .unexpected("gives something else than a float vector")
            })?
            .to_vec();
        if !embedding.iter().all(|x| x.is_finite()) {
            return Err(Error::input(format!(
                "a recording of {} filterbank frames (10 ms each) gives no finite speaker \
                 embedding; take a longer one",
                fbank.dim(0)?
            )));
        }
        let width = embedding.len();
        Ok(Tensor::from_vec(embedding, width, &Device::Cpu)?)
    }

    /// The speaker embedding of a recording: resampled to 16 kHz, transformed, encoded. The
    /// features go to `tap` as `prompt.fbank`, the embedding as `prompt.speaker_embedding`.
    ///
    /// # Errors
    /// If the recording cannot be resampled or is too short, or the tap fails.
    pub fn embedding_of(&self, recording: &Waveform, tap: &mut dyn Tap) -> Result<Tensor> {
        let fbank = kaldi_fbank(&recording.at_rate(SAMPLE_RATE)?)?;
        tap.stage(Stage::PromptFbank, &fbank)?;
        let embedding = self.embedding(&fbank)?;
        tap.stage(Stage::PromptSpeakerEmbedding, &embedding)?;
        Ok(embedding)
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_networks::{mean_encoder, pooling_encoder, rounding_tokenizer};
    use super::*;
    use crate::tap::NoTap;

    fn loaded(bytes: &[u8], pooling: PartialWindow) -> Result<SpeakerEncoder> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("campplus.onnx");
        std::fs::write(&path, bytes).unwrap();
        SpeakerEncoder::load(&path, pooling)
    }

    #[test]
    fn a_partial_window_is_divided_as_the_chosen_onnxruntime_divides_it() {
        let ones = Tensor::ones((1, 6), candle_core::DType::F32, &Device::Cpu).unwrap();
        let pooled = |pooling| {
            let encoder = loaded(&pooling_encoder(), pooling).unwrap();
            encoder.embedding(&ones).unwrap().to_vec1::<f32>().unwrap()
        };
        // Windows of four over six ones: the last has two.
        assert_eq!(pooled(PartialWindow::Ort118), [1.0, 0.5]);
        assert_eq!(pooled(PartialWindow::TrueCount), [1.0, 1.0]);
        assert_eq!(PartialWindow::default(), PartialWindow::Ort118);
    }

    #[test]
    fn an_embedding_that_is_not_finite_is_an_error() {
        let encoder = loaded(&mean_encoder(), PartialWindow::Ort118).unwrap();
        let fbank = Tensor::full(f32::INFINITY, (2, 80), &Device::Cpu).unwrap();
        let error = encoder.embedding(&fbank).unwrap_err().to_string();
        assert!(error.contains("2 filterbank frames"), "{error}");
    }

    #[test]
    fn another_network_or_none_is_an_error_that_names_the_file() {
        for bytes in [
            &rounding_tokenizer()[..],
            b"",
            b"this is no network",
            &[0x3a, 0x7f],
        ] {
            for pooling in [PartialWindow::Ort118, PartialWindow::TrueCount] {
                let error = loaded(bytes, pooling).err().expect("loaded").to_string();
                assert!(error.contains("campplus.onnx"), "{error}");
            }
        }
        let missing = SpeakerEncoder::load(Path::new("missing.onnx"), PartialWindow::Ort118);
        assert!(
            missing
                .err()
                .expect("loaded")
                .to_string()
                .contains("missing.onnx")
        );
    }

    #[test]
    fn a_recording_too_short_for_a_frame_is_an_error() {
        let encoder = loaded(&mean_encoder(), PartialWindow::Ort118).unwrap();
        let recording = Waveform {
            samples: vec![0.5; 399],
            sample_rate: 16_000,
        };
        let error = encoder
            .embedding_of(&recording, &mut NoTap)
            .unwrap_err()
            .to_string();
        assert!(error.contains("too short"), "{error}");
    }
}
