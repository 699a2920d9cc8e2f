use candle_core::{CpuStorage, CustomOp1, CustomOp2, DType, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use crate::kernels::Kernels;
use crate::ops::elements;
use crate::ops::math::{exp, sin_squared};
use crate::ops::simd::vectorized;
use crate::weights::Builder;

/// Elements per task.
const TASK: usize = 1 << 14;

/// GELU in its tanh form, of a slice, in place.
pub(super) fn gelu_slice(values: &mut [f32]) {
    vectorized(|| {
        for value in values {
            *value = gelu_of(*value);
        }
    });
}

/// x · tanh(ln(1 + eˣ)).
pub(crate) fn mish(x: &Tensor, kernels: Kernels) -> Result<Tensor> {
    if kernels.fit(x) {
        return x.contiguous()?.apply_op1_no_bwd(&Map("mish", mish_of));
    }
    // In float32: half precision would overflow before x reaches the bound below.
    let wide = x.to_dtype(DType::F32)?;
    let e = wide.minimum(MISH_IS_IDENTITY)?.exp()?;
    let n = (&e * (&e + 2.0)?)?;
    (wide * (&n / (&n + 2.0)?)?)?.to_dtype(x.dtype())
}

/// Above this, tanh(ln(1 + eˣ)) rounds to 1, and e²ˣ is still far from overflow.
const MISH_IS_IDENTITY: f32 = 20.0;

/// Computed as x / (1 + e⁻²ᵘ), equal to x · 0.5 · (1 + tanh u) but without cancellation.
#[inline(always)]
fn gelu_of(x: f32) -> f32 {
    const TWO_SQRT_2_OVER_PI: f32 = 1.595_769;
    let u = TWO_SQRT_2_OVER_PI * (x + 0.044_715 * x * x * x);
    x / (1.0 + exp(-u))
}

/// Computed without a logarithm: with n = eˣ(eˣ + 2), tanh(ln(1 + eˣ)) = n / (n + 2).
#[inline(always)]
fn mish_of(x: f32) -> f32 {
    let e = exp(x.min(MISH_IS_IDENTITY));
    let n = e * (e + 2.0);
    x * (n / (n + 2.0))
}

struct Map<F>(&'static str, F);

impl<F: Fn(f32) -> f32 + Sync> CustomOp1 for Map<F> {
    fn name(&self) -> &'static str {
        self.0
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = elements(x, layout)?;
        let mut out = vec![0f32; x.len()];
        out.par_chunks_mut(TASK)
            .zip(x.par_chunks(TASK))
            .for_each(|(out, x)| {
                vectorized(|| {
                    for (out, &x) in out.iter_mut().zip(x) {
                        *out = (self.1)(x);
                    }
                });
            });
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }
}

/// Snake, x + sin²(αx) / α, with one α per channel of [batch, channels, time].
#[derive(Clone, Debug)]
pub(crate) struct Snake {
    /// α and 1 / α, [2, channels].
    parameters: Tensor,
    kernels: Kernels,
}

impl Snake {
    /// Added to α, so that the division stays finite.
    const NO_DIV_BY_ZERO: f64 = 1e-9;

    /// Reads `alpha` [channels].
    pub(crate) fn load(channels: usize, vb: Builder) -> Result<Self> {
        let parameters = Self::parameters(&vb.get_float64(channels, "alpha")?)?;
        Ok(Self {
            parameters: vb.place(&parameters)?,
            kernels: vb.kernels(),
        })
    }

    /// Of α [channels], in float64 on the CPU: not every device has it.
    fn parameters(alpha: &Tensor) -> Result<Tensor> {
        let inverse = (alpha + Self::NO_DIV_BY_ZERO)?.recip()?;
        Tensor::stack(&[alpha, &inverse], 0)
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if self.kernels.fit(x) {
            return x
                .contiguous()?
                .apply_op2_no_bwd(&self.parameters, &SnakeKernel);
        }
        let row = |i| self.parameters.get(i)?.reshape((1, (), 1));
        let wave = x.broadcast_mul(&row(0)?)?.sin()?.sqr()?;
        x + wave.broadcast_mul(&row(1)?)?
    }
}

struct SnakeKernel;

impl CustomOp2 for SnakeKernel {
    fn name(&self) -> &'static str {
        "snake"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        parameters: &CpuStorage,
        parameters_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (_, channels, frames) = x_layout.shape().dims3()?;
        let x = elements(x, x_layout)?;
        let (alpha, inverse) = elements(parameters, parameters_layout)?.split_at(channels);
        if inverse.len() != channels {
            candle_core::bail!(
                "Snake's α does not match the channels of a tensor of shape {:?}",
                x_layout.dims()
            );
        }
        let mut out = vec![0f32; x.len()];
        if frames > 0 {
            let rows = out
                .par_chunks_mut(frames)
                .zip(x.par_chunks(frames))
                .enumerate();
            rows.for_each(|(i, (out, x))| {
                let (alpha, inverse) = (alpha[i % channels], inverse[i % channels]);
                vectorized(|| {
                    for (out, &x) in out.iter_mut().zip(x) {
                        *out = x + inverse * sin_squared(x * alpha);
                    }
                });
            });
        }
        Ok((CpuStorage::F32(out), x_layout.shape().clone()))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn ramp() -> Result<Tensor> {
        Tensor::arange_step(-12f32, 24.0, 0.0171, &Device::Cpu)
    }

    fn worst(got: &Tensor, want: impl Fn(f64) -> f64) -> Result<f64> {
        let got: Vec<f32> = got.to_vec1()?;
        let errors = ramp()?
            .to_vec1::<f32>()?
            .into_iter()
            .zip(got)
            .map(|(x, y)| {
                let want = want(x.into());
                (f64::from(y) - want).abs() / want.abs().max(1.0)
            });
        Ok(errors.fold(0.0, f64::max))
    }

    #[test]
    fn gelu_and_mish_follow_their_definitions() -> Result<()> {
        let gelu_exact = |x: f64| {
            let u = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
            0.5 * x * (1.0 + u.tanh())
        };
        let mish_exact = |x: f64| x * x.exp().ln_1p().tanh();
        let own_gelu = ramp()?.apply_op1_no_bwd(&Map("gelu", gelu_of))?;
        assert!(worst(&own_gelu, gelu_exact)? < 3e-7);
        assert!(worst(&ramp()?.gelu()?, gelu_exact)? < 3e-6);
        for kernels in Kernels::ALL {
            assert!(worst(&mish(&ramp()?, kernels)?, mish_exact)? < 3e-7);
        }
        Ok(())
    }

    #[test]
    fn own_and_composed_snake_agree_with_candle_in_float64() -> Result<()> {
        let x = Tensor::randn(0f32, 3.0, (1, 4, 50), &Device::Cpu)?;
        let alpha = Tensor::new(&[0.3f32, 1.0, 2.5, 17.0], &Device::Cpu)?;
        let snake = |dtype, kernels| {
            let parameters = Snake::parameters(&alpha.to_dtype(DType::F64)?)?;
            Ok::<_, candle_core::Error>(Snake {
                parameters: parameters.to_dtype(dtype)?,
                kernels,
            })
        };
        let want = snake(DType::F64, Kernels::Own)?.forward(&x.to_dtype(DType::F64)?)?;
        for kernels in Kernels::ALL {
            let got = snake(DType::F32, kernels)?.forward(&x)?;
            let error = (got.to_dtype(DType::F64)? - &want)?.abs()?.max_all()?;
            // αx itself is rounded, and the sine passes that on.
            assert!(error.to_scalar::<f64>()? < 1e-5, "{kernels}: {error}");
        }
        Ok(())
    }

    #[test]
    fn empty_tensors_pass_through() -> Result<()> {
        let empty = Tensor::zeros((1, 3, 0), DType::F32, &Device::Cpu)?;
        let alpha = Tensor::ones(3, DType::F64, &Device::Cpu)?;
        let snake = Snake {
            parameters: Snake::parameters(&alpha)?.to_dtype(DType::F32)?,
            kernels: Kernels::Own,
        };
        assert_eq!(snake.forward(&empty)?.dims(), [1, 3, 0]);
        assert_eq!(mish(&empty, Kernels::Own)?.dims(), [1, 3, 0]);
        Ok(())
    }
}
