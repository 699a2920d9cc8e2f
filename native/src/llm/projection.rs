use candle_core::{
    CpuStorage, CustomOp2, DType, Device, Layout, Module, Result, Shape, Tensor, bail,
};
use candle_nn::VarBuilder;
use rayon::prelude::*;

/// A linear layer that is fast for one row too.
///
/// Sampling a token multiplies every weight matrix with a single row, so it takes as long as it
/// takes to read the weights. A general matrix product cuts the matrix up for many rows, and
/// reads it several times slower.
#[derive(Clone, Debug)]
pub(super) struct Projection {
    /// [outputs, inputs]
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Projection {
    pub(super) fn new(inputs: usize, outputs: usize, vb: VarBuilder) -> Result<Self> {
        let bias = Some(vb.get(outputs, "bias")?);
        Ok(Self {
            bias,
            ..Self::without_bias(inputs, outputs, vb)?
        })
    }

    pub(super) fn without_bias(inputs: usize, outputs: usize, vb: VarBuilder) -> Result<Self> {
        Ok(Self {
            weight: vb.get((outputs, inputs), "weight")?,
            bias: None,
        })
    }

    pub(super) fn device(&self) -> &Device {
        self.weight.device()
    }
}

impl Module for Projection {
    /// [rows, inputs] → [rows, outputs]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let one_row = x.dim(0)? == 1 && x.device().is_cpu() && x.dtype() == DType::F32;
        let y = if one_row {
            x.contiguous()?.apply_op2_no_bwd(&self.weight, &OneRow)?
        } else {
            x.matmul(&self.weight.t()?)?
        };
        match &self.bias {
            Some(bias) => y.broadcast_add(bias),
            None => Ok(y),
        }
    }
}

/// [1, inputs] × [outputs, inputs]ᵀ, float32, on the CPU.
struct OneRow;

impl CustomOp2 for OneRow {
    fn name(&self) -> &'static str {
        "one-row-projection"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (outputs, inputs) = weight_layout.shape().dims2()?;
        let x = contiguous(x, x_layout)?;
        let weight = contiguous(weight, weight_layout)?;
        if x.len() != inputs {
            bail!("a row of {} for a projection of {inputs}", x.len());
        }
        let mut y = vec![0.0; outputs];
        let share = outputs.div_ceil(rayon::current_num_threads()).max(1);
        y.par_chunks_mut(share)
            .zip(weight.par_chunks(share * inputs))
            .for_each(|(y, rows)| {
                for (y, row) in y.iter_mut().zip(rows.chunks_exact(inputs)) {
                    *y = dot(row, x);
                }
            });
        Ok((CpuStorage::F32(y), (1, outputs).into()))
    }
}

fn contiguous<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((from, to)) => Ok(&storage.as_slice::<f32>()?[from..to]),
        None => bail!("a projection of strided rows"),
    }
}

/// Sixteen running sums: enough for the compiler to keep the multipliers busy.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut sums = [0.0; LANES];
    let (a_whole, a_rest) = a.as_chunks::<LANES>();
    let (b_whole, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a_whole.iter().zip(b_whole) {
        for i in 0..LANES {
            sums[i] += a[i] * b[i];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}
