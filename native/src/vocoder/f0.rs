use candle_core::{DType, Device, Result, Tensor};

use crate::Portion;
use crate::ops::{Conv1d, Linear};
use crate::tap::Layers;
use crate::vocoder::F0Config;
use crate::vocoder::weight_norm::weight_norm_conv;
use crate::weights::Builder;

/// Kernel of the first convolution, which looks ahead.
const AHEAD_KERNEL: usize = 4;
/// Kernel of the others, which look back.
const BACK_KERNEL: usize = 3;
/// Positions of the convolutions in the checkpoint's sequence; activations take the others.
const BACK_LAYERS: [usize; 4] = [2, 4, 6, 8];

/// Predicts the fundamental frequency from a mel (reference: `CausalConvRNNF0Predictor`).
///
/// It runs in float64, as in the reference: the source integrates F0 over the whole utterance.
pub(super) struct F0Predictor {
    ahead: Conv1d,
    back: Vec<Conv1d>,
    classifier: Linear,
    device: Device,
}

impl F0Predictor {
    /// The predictor stays on the CPU if the device of `vb` has no float64.
    pub(super) fn new(config: &F0Config, vb: Builder) -> Result<Self> {
        let device = if vb.device().is_metal() {
            Device::Cpu
        } else {
            vb.device().clone()
        };
        let vb = vb.in_float64().on(&device);
        let channels = config.cond_channels;
        let layers = vb.pp("condnet");
        let classifier = Linear::load(channels, 1, vb.pp("classifier"))?;
        Ok(Self {
            ahead: weight_norm_conv(config.in_channels, channels, AHEAD_KERNEL, layers.pp("0"))?,
            back: BACK_LAYERS
                .iter()
                .map(|i| weight_norm_conv(channels, channels, BACK_KERNEL, layers.pp(i)))
                .collect::<Result<_>>()?,
            classifier,
            device,
        })
    }

    /// Frames of a mel that are context only while more are to come.
    pub(super) fn lookahead(&self) -> usize {
        AHEAD_KERNEL - 1
    }

    /// Mel [channels, frames] to F0 in Hz, `[frames]`, float32; of a partial mel without the last
    /// [`Self::lookahead`] frames.
    pub(super) fn forward(
        &self,
        mel: &Tensor,
        portion: Portion,
        layers: &mut Layers<'_>,
    ) -> crate::Result<Tensor> {
        let x = mel
            .to_device(&self.device)?
            .to_dtype(DType::F64)?
            .unsqueeze(0)?;
        let right = self.lookahead() - portion.withheld(self.lookahead());
        let mut x = self.ahead.forward(&x, 0, right)?.elu(1.0)?;
        layers.record("condnet.0", &x)?;
        for (i, conv) in self.back.iter().enumerate() {
            x = conv.causal(&x)?.elu(1.0)?;
            layers.record(format_args!("condnet.{}", i + 1), &x)?;
        }
        let f0 = self
            .classifier
            .forward(&x.transpose(1, 2)?.contiguous()?)?
            .abs()?;
        Ok(f0.flatten_all()?.to_dtype(DType::F32)?)
    }
}
