use candle_core::{CpuStorage, CustomOp3, D, DType, Layout, Result, Shape, Tensor};
use pulp::NullaryFnOnce;
use rayon::prelude::*;

use crate::kernels::Kernels;
use crate::ops::elements;
use crate::ops::math::sum;
use crate::ops::simd::vectorized;

const EPSILON: f64 = 1e-6;

/// Layer norm of the last dimension without weights of its own, multiplied by 1 + `scale` `[dim]`
/// and shifted by `shift` `[dim]`.
pub(crate) fn modulated_norm(
    x: &Tensor,
    shift: &Tensor,
    scale: &Tensor,
    kernels: Kernels,
) -> Result<Tensor> {
    if kernels.fit(x) {
        return x
            .contiguous()?
            .apply_op3_no_bwd(shift, scale, &ModulatedNorm);
    }
    plain_modulated_norm(x, shift, scale)
}

fn plain_modulated_norm(x: &Tensor, shift: &Tensor, scale: &Tensor) -> Result<Tensor> {
    let dtype = x.dtype();
    let wide = match dtype {
        DType::F64 => DType::F64,
        _ => DType::F32,
    };
    let x = x.to_dtype(wide)?;
    let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
    let x = centred.broadcast_div(&(variance + EPSILON)?.sqrt()?)?;
    x.to_dtype(dtype)?
        .broadcast_mul(&(scale + 1.0)?)?
        .broadcast_add(shift)
}

/// `x` + `gate` · `y`, with `gate` `[dim]` the same for every row.
pub(crate) fn add_gated(x: &Tensor, y: &Tensor, gate: &Tensor, kernels: Kernels) -> Result<Tensor> {
    if kernels.fit(x) {
        return x
            .contiguous()?
            .apply_op3_no_bwd(&y.contiguous()?, gate, &AddGated);
    }
    x + y.broadcast_mul(gate)?
}

struct ModulatedNorm;

impl CustomOp3 for ModulatedNorm {
    fn name(&self) -> &'static str {
        "modulated-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        shift: &CpuStorage,
        shift_layout: &Layout,
        scale: &CpuStorage,
        scale_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, shift) = (elements(x, x_layout)?, elements(shift, shift_layout)?);
        let scale = elements(scale, scale_layout)?;
        let dim = rows_of(x_layout, &[shift, scale])?;
        let mut out = vec![0f32; x.len()];
        out.par_chunks_mut(dim)
            .zip(x.par_chunks(dim))
            .for_each(|(out, x)| {
                pulp::Arch::new().dispatch(NormRow {
                    out,
                    x,
                    scale,
                    shift,
                });
            });
        Ok((CpuStorage::F32(out), x_layout.shape().clone()))
    }
}

/// One row of a [`ModulatedNorm`].
struct NormRow<'a> {
    out: &'a mut [f32],
    x: &'a [f32],
    scale: &'a [f32],
    shift: &'a [f32],
}

impl NullaryFnOnce for NormRow<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self {
            out,
            x,
            scale,
            shift,
        } = self;
        let mean = sum(x) / x.len() as f32;
        for (out, x) in out.iter_mut().zip(x) {
            *out = (x - mean) * (x - mean);
        }
        let variance = sum(out) / x.len() as f32;
        let deviation = (variance + EPSILON as f32).sqrt();
        for (((out, x), scale), shift) in out.iter_mut().zip(x).zip(scale).zip(shift) {
            *out = (x - mean) / deviation * (1.0 + scale) + shift;
        }
    }
}

struct AddGated;

impl CustomOp3 for AddGated {
    fn name(&self) -> &'static str {
        "add-gated"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        y: &CpuStorage,
        y_layout: &Layout,
        gate: &CpuStorage,
        gate_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, y) = (elements(x, x_layout)?, elements(y, y_layout)?);
        let gate = elements(gate, gate_layout)?;
        let dim = rows_of(x_layout, &[gate])?;
        if y_layout.dims() != x_layout.dims() {
            candle_core::bail!(
                "a tensor of shape {:?} cannot be added to one of shape {:?}",
                y_layout.dims(),
                x_layout.dims()
            );
        }
        let mut out = vec![0f32; x.len()];
        let rows = x.par_chunks(dim).zip(y.par_chunks(dim));
        out.par_chunks_mut(dim).zip(rows).for_each(|(out, (x, y))| {
            vectorized(|| {
                for (((out, x), y), gate) in out.iter_mut().zip(x).zip(y).zip(gate) {
                    *out = x + gate * y;
                }
            });
        });
        Ok((CpuStorage::F32(out), x_layout.shape().clone()))
    }
}

/// The length of a row, which must also be that of each of the `vectors`.
fn rows_of(layout: &Layout, vectors: &[&[f32]]) -> Result<usize> {
    match layout.dims().last() {
        Some(&dim) if dim > 0 && vectors.iter().all(|v| v.len() == dim) => Ok(dim),
        _ => candle_core::bail!(
            "shift, scale or gate does not match the rows of a tensor of shape {:?}",
            layout.dims()
        ),
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn apart(a: &Tensor, b: &Tensor) -> Result<f64> {
        let wide = |t: &Tensor| t.to_dtype(DType::F64);
        (wide(a)? - wide(b)?)?.abs()?.max_all()?.to_scalar()
    }

    #[test]
    fn own_and_composed_agree_with_candle_in_float64() -> Result<()> {
        let random = |shape: &[usize]| Tensor::randn(0.3f32, 2.0, shape, &Device::Cpu);
        let (x, y) = (random(&[2, 5, 37])?, random(&[2, 5, 37])?);
        let (a, b) = (random(&[37])?, random(&[37])?);
        let wide = |t: &Tensor| t.to_dtype(DType::F64);
        let want = plain_modulated_norm(&wide(&x)?, &wide(&a)?, &wide(&b)?)?;
        let gated = (wide(&x)? + wide(&y)?.broadcast_mul(&wide(&a)?)?)?;
        for kernels in Kernels::ALL {
            let got = modulated_norm(&x, &a, &b, kernels)?;
            assert!(apart(&got, &want)? < 1e-5, "{kernels}");
            assert!(apart(&add_gated(&x, &y, &a, kernels)?, &gated)? < 1e-5);
        }
        Ok(())
    }

    #[test]
    fn a_large_mean_does_not_spoil_the_variance() -> Result<()> {
        // 1000 ± 1: a sum of squares in float32 would lose the variance altogether.
        let x: Vec<f32> = (0..64)
            .map(|i| if i % 2 == 0 { 1001.0 } else { 999.0 })
            .collect();
        let x = Tensor::from_vec(x, (1, 64), &Device::Cpu)?;
        let zero = Tensor::zeros(64, DType::F32, &Device::Cpu)?;
        for kernels in Kernels::ALL {
            let y = modulated_norm(&x, &zero, &zero, kernels)?.to_vec2::<f32>()?;
            assert!((y[0][0] - 1.0).abs() < 1e-6 && (y[0][1] + 1.0).abs() < 1e-6);
        }
        Ok(())
    }
}
