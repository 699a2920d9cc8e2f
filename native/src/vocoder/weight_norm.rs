//! Convolutions whose weight the checkpoint keeps as direction and magnitude.

use candle_core::{DType, Device, Result};
use candle_nn::VarBuilder;

use crate::ops::Conv1d;

/// Reads a weight-normalised convolution and folds it, w = v · (g / ‖v‖) with the norm taken over
/// each output channel.
///
/// `vb` hands out float64, so that the fold adds no error of its own; the convolution is then
/// rounded to `dtype` on `device`.
pub(super) fn weight_norm_conv(
    in_channels: usize,
    out_channels: usize,
    kernel: usize,
    vb: VarBuilder<'_>,
    (dtype, device): (DType, &Device),
) -> Result<Conv1d> {
    let parts = vb.pp("parametrizations.weight");
    let magnitude = parts.get((out_channels, 1, 1), "original0")?;
    let direction = parts.get((out_channels, in_channels, kernel), "original1")?;
    let norm = direction.sqr()?.sum_keepdim((1, 2))?.sqrt()?;
    let weight = direction.broadcast_mul(&(magnitude / norm)?)?;
    let bias = vb.get(out_channels, "bias")?;
    Conv1d::new(
        weight.to_dtype(dtype)?.to_device(device)?,
        bias.to_dtype(dtype)?.to_device(device)?,
    )
}
