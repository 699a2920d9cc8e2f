use candle_core::{CpuStorage, CustomOp2, Device, Layout, Module, Result, Shape, Tensor};
use candle_nn::VarBuilder;
use rayon::prelude::*;

use crate::ops::matrix::{Matrix, RUN, add_product};
use crate::ops::{elements, has_kernel};

/// A linear map of rows that is fast for a single one too.
///
/// Sampling a token multiplies every weight matrix with one row, so it takes as long as reading
/// the weights. A general matrix product, which cuts a matrix up for many rows, takes several
/// times longer.
#[derive(Clone, Debug)]
pub(crate) struct Projection {
    /// [outputs, inputs]
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Projection {
    /// Reads `weight` [outputs, inputs] and `bias` [outputs].
    pub(crate) fn load(inputs: usize, outputs: usize, vb: VarBuilder<'_>) -> Result<Self> {
        let bias = Some(vb.get(outputs, "bias")?);
        Ok(Self {
            bias,
            ..Self::load_no_bias(inputs, outputs, vb)?
        })
    }

    /// Reads `weight` [outputs, inputs].
    pub(crate) fn load_no_bias(inputs: usize, outputs: usize, vb: VarBuilder<'_>) -> Result<Self> {
        Ok(Self {
            weight: vb.get((outputs, inputs), "weight")?,
            bias: None,
        })
    }

    /// Where the weights are.
    pub(crate) fn device(&self) -> &Device {
        self.weight.device()
    }

    /// [rows, inputs] to [rows, outputs].
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if !has_kernel(x) {
            return candle_nn::Linear::new(self.weight.clone(), self.bias.clone()).forward(x);
        }
        let y = x.contiguous()?.apply_op2_no_bwd(&self.weight, &Product)?;
        match &self.bias {
            Some(bias) => y.broadcast_add(bias),
            None => Ok(y),
        }
    }
}

/// Columns of a product of many rows that one task computes.
const TASK_COLUMNS: usize = 256;

/// [rows, inputs] × [outputs, inputs]ᵀ
struct Product;

impl CustomOp2 for Product {
    fn name(&self) -> &'static str {
        "projection"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (outputs, inputs) = weight_layout.shape().dims2()?;
        let (rows, width) = x_layout.shape().dims2()?;
        if width != inputs || inputs == 0 {
            candle_core::bail!("a projection of {inputs} inputs got {:?}", x_layout.dims());
        }
        let (x, weight) = (elements(x, x_layout)?, elements(weight, weight_layout)?);
        let mut out = vec![0f32; rows * outputs];
        if rows == 1 {
            one_row(&mut out, x, weight);
        } else {
            many_rows(&mut out, x, weight, inputs);
        }
        Ok((CpuStorage::F32(out), (rows, outputs).into()))
    }
}

/// Every thread reads its share of the weights once.
fn one_row(out: &mut [f32], x: &[f32], weight: &[f32]) {
    let inputs = x.len();
    let share = out.len().div_ceil(rayon::current_num_threads()).max(1);
    out.par_chunks_mut(share)
        .zip(weight.par_chunks(share * inputs))
        .for_each(|(out, weight)| {
            for (out, row) in out.iter_mut().zip(weight.chunks_exact(inputs)) {
                *out = dot(row, x);
            }
        });
}

/// Every task reads its share of the weights once, for all rows.
fn many_rows(out: &mut [f32], x: &[f32], weight: &[f32], inputs: usize) {
    let (rows, outputs) = (x.len() / inputs, weight.len() / inputs);
    if rows == 0 {
        return;
    }
    let columns = |share: &[f32]| {
        let mut columns = vec![0f32; rows * (share.len() / inputs)];
        let width = share.len() / inputs;
        for first in (0..inputs).step_by(RUN) {
            let a = Matrix {
                data: &x[first..],
                rows,
                columns: RUN.min(inputs - first),
                row_stride: inputs,
                column_stride: 1,
            };
            let b = Matrix {
                data: &share[first..],
                rows: a.columns,
                columns: width,
                row_stride: 1,
                column_stride: inputs,
            };
            add_product(&mut columns, width, 0, a, b);
        }
        columns
    };
    let shares: Vec<_> = weight
        .par_chunks(TASK_COLUMNS * inputs)
        .map(columns)
        .collect();
    for (i, row) in out.chunks_exact_mut(outputs).enumerate() {
        for (out, share) in row.chunks_mut(TASK_COLUMNS).zip(&shares) {
            out.copy_from_slice(&share[i * out.len()..][..out.len()]);
        }
    }
}

/// Thirty-two running sums: enough to keep the multipliers busy, and each of them is short.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 32;
    let mut sums = [0f32; LANES];
    let (a_whole, a_rest) = a.as_chunks::<LANES>();
    let (b_whole, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a_whole.iter().zip(b_whole) {
        for i in 0..LANES {
            sums[i] += a[i] * b[i];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    let mut half = LANES / 2;
    while half > 0 {
        for i in 0..half {
            sums[i] += sums[i + half];
        }
        half /= 2;
    }
    sums[0] + rest
}

#[cfg(test)]
mod tests {
    use candle_core::DType;
    use candle_nn::VarMap;

    use super::*;

    fn error(rows: usize, inputs: usize, outputs: usize) -> Result<f64> {
        let varmap = VarMap::new();
        let vb = VarBuilder::from_varmap(&varmap, DType::F32, &Device::Cpu);
        let hints = candle_nn::Init::Randn {
            mean: 0.0,
            stdev: 0.04,
        };
        vb.get_with_hints((outputs, inputs), "weight", hints)?;
        vb.get_with_hints(outputs, "bias", hints)?;
        let projection = Projection::load(inputs, outputs, vb)?;
        let x = Tensor::randn(0f32, 1.0, (rows, inputs), &Device::Cpu)?;
        let wide = |t: &Tensor| t.to_dtype(DType::F64);
        let bias = projection.bias.as_ref().map(&wide).transpose()?;
        let want = candle_nn::Linear::new(wide(&projection.weight)?, bias).forward(&wide(&x)?)?;
        let got = wide(&projection.forward(&x)?)?;
        (got - want)?.abs()?.max_all()?.to_scalar()
    }

    #[test]
    fn one_row_and_many_agree_with_float64() -> Result<()> {
        for (rows, inputs, outputs) in [
            (1, 600, 33),
            (7, 600, 33),
            (1, 5, 1),
            (2, 31, 3),
            (5, 300, 2 * TASK_COLUMNS + 9),
        ] {
            let error = error(rows, inputs, outputs)?;
            // The largest of up to 2,605 sums rounds to 2e-6 at times; a wrong term is 1e-2.
            assert!(error < 1e-5, "{rows} × {inputs} → {outputs}: {error}");
        }
        Ok(())
    }

    #[test]
    fn rows_of_another_width_are_an_error() -> Result<()> {
        let varmap = VarMap::new();
        let vb = VarBuilder::from_varmap(&varmap, DType::F32, &Device::Cpu);
        let projection = Projection::load_no_bias(4, 3, vb)?;
        let x = Tensor::zeros((1, 5), DType::F32, &Device::Cpu)?;
        assert!(projection.forward(&x).is_err());
        Ok(())
    }
}
