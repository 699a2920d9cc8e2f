use candle_core::{DType, Device, Result, Tensor};
use candle_nn::{Linear, Module, VarBuilder, linear};

use crate::Portion;
use crate::ops::Conv1d;
use crate::tap::Layers;
use crate::vocoder::F0Config;
use crate::vocoder::weight_norm::weight_norm_conv;

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
    /// `vb` hands out float64 on the CPU. The predictor stays there where `device` has no float64.
    pub(super) fn new(config: &F0Config, vb: VarBuilder<'_>, device: &Device) -> Result<Self> {
        let device = if device.is_metal() {
            Device::Cpu
        } else {
            device.clone()
        };
        let place = (DType::F64, &device);
        let channels = config.cond_channels;
        let layers = vb.pp("condnet");
        let classifier = linear(channels, 1, vb.pp("classifier").set_device(device.clone()))?;
        Ok(Self {
            ahead: weight_norm_conv(
                config.in_channels,
                channels,
                AHEAD_KERNEL,
                layers.pp("0"),
                place,
            )?,
            back: BACK_LAYERS
                .iter()
                .map(|i| weight_norm_conv(channels, channels, BACK_KERNEL, layers.pp(i), place))
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
