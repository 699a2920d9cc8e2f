use candle_core::{DType, Device, Result, Tensor};
use candle_nn::VarBuilder;

use crate::conv::Conv1d;
use crate::vocoder::weight_norm::weight_norm_conv;

/// Keeps Snake's division finite.
const NO_DIV_BY_ZERO: f64 = 1e-9;

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
        vb: VarBuilder<'_>,
        place: (DType, &Device),
    ) -> Result<Self> {
        let conv = |vb| weight_norm_conv(channels, channels, kernel, vb, place);
        let layer = |(i, &dilation)| {
            Ok(Layer {
                dilated_activation: Snake::new(channels, vb.pp("activations1").pp(i), place)?,
                dilated: conv(vb.pp("convs1").pp(i))?.with_dilation(dilation),
                plain_activation: Snake::new(channels, vb.pp("activations2").pp(i), place)?,
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
            let h = layer.plain.causal(&layer.plain_activation.forward(&h)?)?;
            x = (h + x)?;
        }
        Ok(x)
    }
}

/// x + sin²(αx) / α, with an α for each channel.
struct Snake {
    alpha: Tensor,
    inverse: Tensor,
}

impl Snake {
    fn new(channels: usize, vb: VarBuilder<'_>, (dtype, device): (DType, &Device)) -> Result<Self> {
        let alpha = vb.get(channels, "alpha")?.reshape((1, channels, 1))?;
        let inverse = (&alpha + NO_DIV_BY_ZERO)?.recip()?;
        let place = |t: Tensor| t.to_dtype(dtype)?.to_device(device);
        Ok(Self {
            alpha: place(alpha)?,
            inverse: place(inverse)?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let wave = x.broadcast_mul(&self.alpha)?.sin()?.sqr()?;
        x + wave.broadcast_mul(&self.inverse)?
    }
}
