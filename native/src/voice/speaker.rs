//! The speaker encoder: one vector for a voice.

use std::path::Path;

use candle_core::{Device, Tensor};
use rten_tensor::AsView;

use super::network::{Network, batched};
use super::onnx_patch;
use crate::audio::{Waveform, kaldi_fbank};
use crate::tap::Tap;
use crate::{Error, Result};

const SAMPLE_RATE: u32 = 16_000;

/// What an average over a window that reaches past the end is divided by.
///
/// The network averages over windows of 100 frames; whenever half its frames are no multiple of
/// that, the last window is partial. onnxruntime up to 1.18, which the reference pins, divides
/// its sum by 100 all the same (onnxruntime issue 16203); later versions divide by how many
/// frames there are. The embeddings differ visibly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PartialWindow {
    /// By the full window, as onnxruntime 1.18 does, and as the released model was trained on.
    #[default]
    Ort118,
    /// By the frames in it, as later versions and PyTorch do.
    TrueCount,
}

/// The network of `campplus.onnx` (CAM++).
pub struct SpeakerEncoder {
    network: Network,
}

impl SpeakerEncoder {
    /// Loads `campplus.onnx`.
    pub fn load(path: &Path, pooling: PartialWindow) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(Error::io(path))?;
        let bytes = match pooling {
            PartialWindow::TrueCount => bytes,
            PartialWindow::Ort118 => onnx_patch::divide_by_full_window(&bytes)
                .map_err(|reason| Error::format(path, reason))?,
        };
        Ok(Self {
            network: Network::from_bytes(path, bytes, 1)?,
        })
    }

    /// The speaker embedding, [192], not normalised, of features as [`kaldi_fbank`] gives them,
    /// [frames, 80].
    pub fn embedding(&self, fbank: &Tensor) -> Result<Tensor> {
        let output = self.network.run(vec![batched(fbank)?])?;
        let embedding = output
            .into_tensor::<f32>()
            .ok_or_else(|| {
                self.network
                    .unexpected("gives something else than a float vector")
            })?
            .to_vec();
        let width = embedding.len();
        Ok(Tensor::from_vec(embedding, width, &Device::Cpu)?)
    }

    /// The speaker embedding of a recording: resampled to 16 kHz, transformed, encoded. The
    /// features go to `tap` as `prompt.fbank`, the embedding as `prompt.speaker_embedding`.
    pub fn embedding_of(&self, recording: &Waveform, tap: &mut dyn Tap) -> Result<Tensor> {
        let fbank = kaldi_fbank(&recording.at_rate(SAMPLE_RATE)?)?;
        tap.tensor("prompt.fbank", &fbank)?;
        let embedding = self.embedding(&fbank)?;
        tap.tensor("prompt.speaker_embedding", &embedding)?;
        Ok(embedding)
    }
}
