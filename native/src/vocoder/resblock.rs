use candle_core::{Result, Tensor};

use crate::ops::{Conv1d, Snake};
use crate::vocoder::weight_norm::weight_norm_conv;
use crate::weights::Builder;

/// Pairs of causal convolutions, dilated and plain, each behind a Snake and around a residual
/// connection (reference: `ResBlock`).
pub(super) struct ResBlock {
    layers: Vec<Layer>,
}

struct Layer {
    dilated_activation: Snake,
    dilated: Conv1d,
    plain_activation: Snake,
    plain: Conv1d,
}

impl ResBlock {
    pub(super) fn new(
        channels: usize,
        kernel: usize,
        dilations: &[usize],
        vb: Builder,
    ) -> Result<Self> {
        let conv = |vb| weight_norm_conv(channels, channels, kernel, vb);
        let snake = |vb| Snake::load(channels, vb);
        let layer = |(i, &dilation)| {
            Ok(Layer {
                dilated_activation: snake(vb.pp("activations1").pp(i))?,
                dilated: conv(vb.pp("convs1").pp(i))?.with_dilation(dilation),
                plain_activation: snake(vb.pp("activations2").pp(i))?,
                plain: conv(vb.pp("convs2").pp(i))?,
            })
        };
        Ok(Self {
            layers: dilations
                .iter()
                .enumerate()
                .map(layer)
                .collect::<Result<_>>()?,
        })
    }

    /// [1, channels, time] to the same.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = x.clone();
        for layer in &self.layers {
            let h = layer
                .dilated
                .causal(&layer.dilated_activation.forward(&x)?)?;
            x = layer
                .plain
                .causal_onto(&layer.plain_activation.forward(&h)?, &x)?;
        }
        Ok(x)
    }
}
