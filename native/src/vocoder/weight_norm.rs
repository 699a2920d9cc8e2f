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

#[cfg(test)]
mod tests {
    use candle_core::Tensor;

    use super::*;

    #[test]
    fn the_fold_gives_each_output_channel_its_magnitude() -> Result<()> {
        let tensors = std::collections::HashMap::from([
            (
                "parametrizations.weight.original0",
                Tensor::new(&[[[10f64]], [[-2.0]]], &Device::Cpu)?,
            ),
            (
                "parametrizations.weight.original1",
                Tensor::new(
                    &[[[3f64, 0.0], [0.0, 4.0]], [[0.0, 1.0], [0.0, 0.0]]],
                    &Device::Cpu,
                )?,
            ),
            ("bias", Tensor::new(&[1f64, -1.0], &Device::Cpu)?),
        ]);
        let tensors = tensors
            .into_iter()
            .map(|(name, t)| (name.to_owned(), t))
            .collect();
        let vb = VarBuilder::from_tensors(tensors, DType::F64, &Device::Cpu);
        let conv = weight_norm_conv(2, 2, 2, vb, (DType::F32, &Device::Cpu))?;
        let x = Tensor::new(&[[[1f32, 2.0], [3.0, 5.0]]], &Device::Cpu)?;
        // (3·1 + 4·5) · 10/5 + 1 and 1·2 · −2 − 1.
        assert_eq!(
            conv.forward(&x, 0, 0)?.to_vec3::<f32>()?,
            [[[47.0], [-5.0]]]
        );
        Ok(())
    }
}
