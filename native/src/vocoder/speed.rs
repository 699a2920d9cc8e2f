use candle_core::{DType, Device, Tensor};

use crate::{Error, Result};

/// Stretches a mel [channels, frames] to ⌊frames / speed⌋ frames by linear interpolation between
/// frame centres (torch's `interpolate(mode="linear")`).
///
/// This is how the reference changes the speed: above 1 is faster. Fails where no frame is left,
/// or for a speed that is not a positive number.
pub fn interpolate_mel(mel: &Tensor, speed: f64) -> Result<Tensor> {
    let (channels, frames) = mel.dims2()?;
    let target = frames as f64 / speed;
    if !speed.is_finite() || speed <= 0.0 || target < 1.0 || target > u32::MAX.into() {
        return Err(Error::input(format!(
            "a speed of {speed} makes no speech of {frames} mel frame(s)"
        )));
    }
    let target = target as usize;
    let rows: Vec<Vec<f32>> = mel
        .to_device(&Device::Cpu)?
        .to_dtype(DType::F32)?
        .to_vec2()?;
    // torch computes the positions in float32.
    let scale = frames as f32 / target as f32;
    let mut stretched = Vec::with_capacity(channels * target);
    for row in &rows {
        stretched.extend((0..target).map(|i| {
            let position = (scale * (i as f32 + 0.5) - 0.5).max(0.0);
            let left = (position as usize).min(frames - 1);
            let right = (left + 1).min(frames - 1);
            let weight = (position - left as f32).clamp(0.0, 1.0);
            row[left] * (1.0 - weight) + row[right] * weight
        }));
    }
    Ok(
        Tensor::from_vec(stretched, (channels, target), &Device::Cpu)?
            .to_dtype(mel.dtype())?
            .to_device(mel.device())?,
    )
}
