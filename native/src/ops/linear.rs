use candle_core::{CpuStorage, CustomOp3, Layout, Module, Result, Shape, Tensor};
use candle_nn::VarBuilder;
use rayon::prelude::*;

use crate::ops::activation::{gelu, gelu_in_place};
use crate::ops::matrix::add_rows;
use crate::ops::{elements, has_kernel};

/// An affine map of the last dimension, of many rows at once.
#[derive(Clone, Debug)]
pub(crate) struct Linear {
    weight: Weight,
    bias: Tensor,
}

#[derive(Clone, Debug)]
enum Weight {
    /// [in, out], for the kernel, which reads it in that order.
    Transposed(Tensor),
    /// [out, in], for candle.
    Plain(candle_nn::Linear),
}

impl Linear {
    /// Reads `weight` [out, in] and `bias` [out].
    pub(crate) fn load(inputs: usize, outputs: usize, vb: VarBuilder<'_>) -> Result<Self> {
        let weight = vb.get((outputs, inputs), "weight")?;
        let bias = vb.get(outputs, "bias")?;
        let weight = if has_kernel(&weight) {
            Weight::Transposed(transposed(&weight)?)
        } else {
            Weight::Plain(candle_nn::Linear::new(weight, Some(bias.clone())))
        };
        Ok(Self { weight, bias })
    }

    /// [.., in] to [.., out].
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match &self.weight {
            Weight::Transposed(weight) => self.apply(x, weight, Affine { gelu: false }),
            Weight::Plain(plain) => plain.forward(x),
        }
    }

    /// The same, followed by [`gelu`].
    pub(crate) fn forward_gelu(&self, x: &Tensor) -> Result<Tensor> {
        match &self.weight {
            Weight::Transposed(weight) => self.apply(x, weight, Affine { gelu: true }),
            Weight::Plain(plain) => gelu(&plain.forward(x)?),
        }
    }

    fn apply(&self, x: &Tensor, weight: &Tensor, affine: Affine) -> Result<Tensor> {
        x.contiguous()?
            .apply_op3_no_bwd(weight, &self.bias, &affine)
    }
}

/// A matrix turned round, in blocks that stay in the cache: candle takes a second for every few
/// hundred megabytes.
fn transposed(matrix: &Tensor) -> Result<Tensor> {
    const BLOCK: usize = 32;
    let (rows, columns) = matrix.dims2()?;
    let from: Vec<f32> = matrix.flatten_all()?.to_vec1()?;
    let mut to = vec![0f32; from.len()];
    if rows > 0 {
        to.par_chunks_mut(BLOCK * rows)
            .enumerate()
            .for_each(|(i, to)| {
                for first in (0..rows).step_by(BLOCK) {
                    let block = first..rows.min(first + BLOCK);
                    for (j, to) in to.chunks_exact_mut(rows).enumerate() {
                        for row in block.clone() {
                            to[row] = from[row * columns + i * BLOCK + j];
                        }
                    }
                }
            });
    }
    Tensor::from_vec(to, (columns, rows), matrix.device())
}

struct Affine {
    gelu: bool,
}

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
        let (inputs, outputs) = weight_layout.shape().dims2()?;
        let mut dims = x_layout.dims().to_vec();
        match dims.last_mut() {
            Some(last) if *last == inputs && inputs > 0 => *last = outputs,
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
        add_rows(&mut out, x, weight, (inputs, outputs), |rows| {
            if self.gelu {
                gelu_in_place(rows);
            }
        });
        Ok((CpuStorage::F32(out), dims.into()))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};
    use candle_nn::{VarBuilder, VarMap};

    use super::*;

    #[test]
    fn transposing_swaps_rows_and_columns() -> Result<()> {
        for shape in [(1, 1), (33, 70), (64, 3), (3, 0)] {
            let matrix = Tensor::randn(0f32, 1.0, shape, &Device::Cpu)?;
            let got: Vec<Vec<f32>> = transposed(&matrix)?.to_vec2()?;
            assert_eq!(got, matrix.t()?.to_vec2::<f32>()?);
        }
        Ok(())
    }

    #[test]
    fn the_kernel_agrees_with_float64() -> Result<()> {
        // More rows than a task takes, more inputs than a run, more outputs than a tile.
        let (rows, inputs, outputs) = (201, 600, 530);
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
        let Weight::Transposed(transposed) = &linear.weight else {
            panic!("float32 on the CPU has a kernel");
        };
        let want = wide(&x)?
            .squeeze(0)?
            .matmul(&wide(transposed)?)?
            .broadcast_add(&wide(&linear.bias)?)?;
        let got = linear.forward(&x)?;
        let activated = linear.forward_gelu(&x)? - gelu(&got)?;
        assert_eq!(activated?.abs()?.max_all()?.to_scalar::<f32>()?, 0.0);
        assert_eq!(got.dims(), [1, rows, outputs]);
        let error = (wide(&got)?.squeeze(0)? - want)?
            .abs()?
            .max_all()?
            .to_scalar::<f64>()?;
        // The largest of 106,530 sums rounds to 3e-6 at times; a wrong term is 1e-2.
        assert!(error < 1e-5, "{error}");
        assert!(linear.forward(&x.narrow(2, 0, 5)?).is_err());
        Ok(())
    }
}
