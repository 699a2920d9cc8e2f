use candle_core::{DType, Device, Tensor};

use crate::{Error, Result};

/// Stretches a mel [channels, frames] to ⌊frames / speed⌋ frames by linear interpolation between
/// frame centres (torch's `interpolate(mode="linear")`).
///
/// This is how the reference changes the speed: above 1 is faster.
///
/// # Errors
/// If no frame is left, or the speed is not a positive number.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretching_agrees_with_torch() -> Result<()> {
        // torch 2.3.1: interpolate(sin(0.9 i), size=int(5 / speed), mode="linear")
        let slow = [
            [
                0.0,
                0.447_615_4,
                0.837_761_4,
                0.973_847_6,
                0.583_513_56,
                0.054_565_57,
                -0.442_520_35,
            ],
            [
                -0.977_530_1,
                -0.860_521_3,
                -0.547_170_8,
                0.016_813_615,
                0.571_709_5,
                0.869_191_5,
                0.969_889_94,
            ],
        ];
        let fast = [
            [0.261_108_93, 0.973_847_6, -0.152_553_4],
            [-0.909_275, 0.016_813_615, 0.911_149_2],
        ];
        let mel: Vec<f32> = (0..10).map(|i| (i as f32 * 0.9).sin()).collect();
        let mel = Tensor::from_vec(mel, (2, 5), &Device::Cpu)?;
        let check = |speed, want: &[&[f32]]| -> Result<()> {
            let got: Vec<Vec<f32>> = interpolate_mel(&mel, speed)?.to_vec2()?;
            for (got, want) in got.iter().zip(want) {
                assert_eq!(got.len(), want.len());
                assert!(
                    got.iter().zip(*want).all(|(a, b)| (a - b).abs() < 1e-6),
                    "{got:?}"
                );
            }
            Ok(())
        };
        check(0.7, &[&slow[0], &slow[1]])?;
        check(1.5, &[&fast[0], &fast[1]])
    }

    #[test]
    fn impossible_speeds_are_refused() -> Result<()> {
        let mel = Tensor::zeros((2, 5), DType::F32, &Device::Cpu)?;
        for speed in [0.0, -1.0, f64::NAN, f64::INFINITY, 5.1, 1e-12] {
            assert!(interpolate_mel(&mel, speed).is_err(), "{speed}");
        }
        assert_eq!(interpolate_mel(&mel, 5.0)?.dims(), [2, 1]);
        Ok(())
    }
}
