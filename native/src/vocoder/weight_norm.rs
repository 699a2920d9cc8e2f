//! Convolutions whose weight the checkpoint keeps as direction and magnitude.

use candle_core::Result;

use crate::ops::Conv1d;
use crate::weights::Builder;

/// Reads a weight-normalised convolution and folds it, w = v · (g / ‖v‖) with the norm taken over
/// each output channel.
///
/// The fold is computed in float64, so that it adds no error of its own, and its result then
/// rounded to the dtype of `vb`.
pub(super) fn weight_norm_conv(
    in_channels: usize,
    out_channels: usize,
    kernel: usize,
    vb: Builder,
) -> Result<Conv1d> {
    let parts = vb.pp("parametrizations.weight");
    let magnitude = parts.get_float64((out_channels, 1, 1), "original0")?;
    let direction = parts.get_float64((out_channels, in_channels, kernel), "original1")?;
    let norm = direction.sqr()?.sum_keepdim((1, 2))?.sqrt()?;
    let weight = direction.broadcast_mul(&(magnitude / norm)?)?;
    let bias = vb.get(out_channels, "bias")?;
    Conv1d::new(vb.place(&weight)?, bias, vb.kernels())
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    use super::*;
    use crate::precision::Precision;

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
        let vb = Builder::from_tensors(tensors, Precision::F32, &Device::Cpu);
        let conv = weight_norm_conv(2, 2, 2, vb)?;
        let x = Tensor::new(&[[[1f32, 2.0], [3.0, 5.0]]], &Device::Cpu)?;
        // (3·1 + 4·5) · 10/5 + 1 and 1·2 · −2 − 1.
        assert_eq!(
            conv.forward(&x, 0, 0)?.to_vec3::<f32>()?,
            [[[47.0], [-5.0]]]
        );
        Ok(())
    }
}
