//! Operations that the networks share, on any device.
//!
//! On the CPU in float32 each has a kernel of its own if candle's is slow (single-threaded, or
//! copying for a matrix product) or rounds more than necessary. On other devices and in other dtypes
//! it is composed of candle's operations, and so it is on the CPU with [`Kernels::Composed`]; tests
//! hold both to float64.
//!
//! [`Kernels::Composed`]: crate::kernels::Kernels::Composed

mod activation;
mod attention;
mod conv;
mod conv_kernel;
mod head;
mod linear;
mod math;
mod norm;
mod rms_norm;
mod row;
mod simd;

pub(crate) use activation::{Snake, mish};
pub(crate) use attention::{Positions, attention};
pub(crate) use conv::Conv1d;
pub(crate) use linear::Linear;
pub(crate) use norm::{add_gated, modulated_norm};
pub(crate) use rms_norm::RmsNorm;
pub(crate) use row::{Head, add, rotate_halves, row_attention, swiglu};

use candle_core::{CpuStorage, DType, Layout, Result, Storage, Tensor};

use crate::precision::Precision;
use crate::weights::Builder;

/// A table of vectors, looked up by number.
#[derive(Clone, Debug)]
pub(crate) struct Embedding {
    table: Tensor,
    dtype: DType,
}

impl Embedding {
    /// Reads the table `weight` [entries, width]. A precision below float32 keeps it in half the
    /// memory.
    pub(crate) fn load(entries: usize, width: usize, vb: Builder) -> Result<Self> {
        let table = vb.get((entries, width), "weight")?;
        let dtype = table.dtype();
        let table = match (vb.precision(), dtype) {
            (Precision::F32, _) => table,
            (_, DType::F32) => table.to_dtype(DType::BF16)?,
            _ => table,
        };
        Ok(Self { table, dtype })
    }

    /// The vectors of `ids`, [ids, width].
    pub(crate) fn forward(&self, ids: &Tensor) -> Result<Tensor> {
        self.table.index_select(ids, 0)?.to_dtype(self.dtype)
    }
}

/// The elements of a contiguous float32 tensor on the CPU.
fn elements<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(data), Some((start, end))) => Ok(&data[start..end]),
        _ => candle_core::bail!("the kernel requires a contiguous float32 tensor on the CPU"),
    }
}

/// Like [`elements`], of a tensor on any device.
pub(crate) fn cpu_elements<'a>(storage: &'a Storage, layout: &Layout) -> Result<&'a [f32]> {
    match storage {
        Storage::Cpu(storage) => elements(storage, layout),
        _ => candle_core::bail!("the weights are on the CPU and the tensor is not"),
    }
}
