use candle_core::{CpuStorage, CustomOp3, Layout, Module, Result, Shape, Tensor};
use candle_nn::VarBuilder;
use gemm::Parallelism;

use crate::ops::matrix::{Matrix, RUN, add_product};
use crate::ops::{elements, has_kernel};

/// An affine map of the last dimension.
#[derive(Clone, Debug)]
pub(crate) struct Linear {
    plain: candle_nn::Linear,
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    /// Reads `weight` [out, in] and `bias` [out].
    pub(crate) fn load(inputs: usize, outputs: usize, vb: VarBuilder<'_>) -> Result<Self> {
        let weight = vb.get((outputs, inputs), "weight")?;
        let bias = vb.get(outputs, "bias")?;
        Ok(Self {
            plain: candle_nn::Linear::new(weight.clone(), Some(bias.clone())),
            weight,
            bias,
        })
    }

    /// [.., in] to [.., out].
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if has_kernel(x) {
            x.contiguous()?
                .apply_op3_no_bwd(&self.weight, &self.bias, &Affine)
        } else {
            self.plain.forward(x)
        }
    }
}

struct Affine;

impl CustomOp3 for Affine {
    fn name(&self) -> &'static str {
        "affine"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (outputs, inputs) = weight_layout.shape().dims2()?;
        let mut dims = x_layout.dims().to_vec();
        match dims.last_mut() {
            Some(last) if *last == inputs => *last = outputs,
            _ => candle_core::bail!(
                "a linear layer of {inputs} inputs got {:?}",
                x_layout.dims()
            ),
        }
        let x = elements(x, x_layout)?;
        let weight = elements(weight, weight_layout)?;
        let bias = elements(bias, bias_layout)?;
        let rows = x.len() / inputs;
        let mut out = Vec::with_capacity(rows * outputs);
        for _ in 0..rows {
            out.extend_from_slice(bias);
        }
        for first in (0..inputs).step_by(RUN) {
            let terms = RUN.min(inputs - first);
            let a = Matrix {
                data: &x[first.min(x.len())..],
                rows,
                columns: terms,
                row_stride: inputs,
                column_stride: 1,
            };
            let b = Matrix {
                data: &weight[first..],
                rows: terms,
                columns: outputs,
                row_stride: 1,
                column_stride: inputs,
            };
            add_product(&mut out, outputs, 0, a, b, Parallelism::Rayon(0));
        }
        Ok((CpuStorage::F32(out), dims.into()))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};
    use candle_nn::{VarBuilder, VarMap};

    use super::*;

    #[test]
    fn the_kernel_agrees_with_float64() -> Result<()> {
        let (rows, inputs, outputs) = (7, 600, 33);
        let varmap = VarMap::new();
        let vb = VarBuilder::from_varmap(&varmap, DType::F32, &Device::Cpu);
        let hints = candle_nn::Init::Randn {
            mean: 0.0,
            stdev: 0.04,
        };
        vb.get_with_hints((outputs, inputs), "weight", hints)?;
        vb.get_with_hints(outputs, "bias", hints)?;
        let linear = Linear::load(inputs, outputs, vb)?;
        let x = Tensor::randn(0f32, 1.0, (1, rows, inputs), &Device::Cpu)?;
        let wide = |t: &Tensor| t.to_dtype(DType::F64);
        let want = wide(&x)?
            .squeeze(0)?
            .matmul(&wide(&linear.weight)?.t()?)?
            .broadcast_add(&wide(&linear.bias)?)?;
        let got = linear.forward(&x)?;
        assert_eq!(got.dims(), [1, rows, outputs]);
        let error = (wide(&got)?.squeeze(0)? - want)?
            .abs()?
            .max_all()?
            .to_scalar::<f64>()?;
        assert!(error < 2e-6, "{error}");
        assert!(linear.forward(&x.narrow(2, 0, 5)?).is_err());
        Ok(())
    }
}
