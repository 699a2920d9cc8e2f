use candle_core::{CpuStorage, CustomOp3, DType, Device, Layout, Result, Shape, Tensor};
use candle_nn::ops::softmax_last_dim;
use candle_nn::rotary_emb::rope_i;
use packed_linear::{Cpu, Format};
use rayon::prelude::*;

use crate::kernels::Kernels;
use crate::ops::elements;
use crate::ops::head::attend;
use crate::precision::Precision;

/// Upper bound on the attention scores held at once on a device, so that memory grows with the
/// length and not with its square.
const MAX_SCORES: usize = 1 << 26;

/// Rotary embedding and attention mask of a sequence, the same for all layers and steps.
pub(crate) struct Positions {
    frames: usize,
    /// Cosine and sine of every angle, [frames × half].
    turns: Vec<(f32, f32)>,
    /// Cosines and sines on the device, each [frames, half].
    cos: Tensor,
    sin: Tensor,
    chunks: Option<Chunks>,
    /// The numbers that the kernel multiplies.
    format: Format,
    kernels: Kernels,
}

/// A chunked mask: frames attend to all frames up to the end of their own chunk.
struct Chunks {
    length: usize,
    /// 0 where a query (row) attends to a key (column), −∞ elsewhere, [frames, frames]. `None` for
    /// the kernel, which masks by length.
    mask: Option<Tensor>,
}

impl Positions {
    /// For `frames` frames and the rotary embedding's `inverse_frequencies`. Frames attend to all
    /// frames or, with a `chunk` length, up to the end of their chunk.
    pub(crate) fn new(
        inverse_frequencies: &[f32],
        frames: usize,
        chunk: Option<usize>,
        dtype: DType,
        device: &Device,
        kernels: Kernels,
    ) -> Result<Self> {
        let turns: Vec<(f32, f32)> = (0..frames)
            .flat_map(|i| {
                inverse_frequencies
                    .iter()
                    .map(move |f| f64::from(i as f32 * f))
            })
            .map(|angle| (angle.cos() as f32, angle.sin() as f32))
            .collect();
        let table = |pick: fn(&(f32, f32)) -> f32| {
            let values: Vec<f32> = turns.iter().map(pick).collect();
            Tensor::from_vec(values, (frames, inverse_frequencies.len()), &Device::Cpu)?
                .to_dtype(dtype)?
                .to_device(device)
        };
        let (cos, sin) = (table(|t| t.0)?, table(|t| t.1)?);
        let chunks = match chunk {
            None => None,
            Some(0) => candle_core::bail!("attention chunks must be at least one frame long"),
            Some(length) => {
                let mask = match kernels.fit(&cos) {
                    true => None,
                    false => Some(chunk_mask(frames, length, dtype, device)?),
                };
                Some(Chunks { length, mask })
            }
        };
        Ok(Self {
            frames,
            turns,
            cos,
            sin,
            chunks,
            format: Format::F32,
            kernels,
        })
    }

    /// The same, for a network in `precision`: below float32, the kernel multiplies bfloat16 where the
    /// processor does so quickly.
    pub(crate) fn in_precision(self, precision: Precision) -> Self {
        let cpu = Cpu::detect();
        let format = match precision {
            Precision::F32 | Precision::F16 => Format::F32,
            _ if cpu.amx_bf16 || cpu.avx512_bf16 => Format::Bf16,
            _ => Format::F32,
        };
        Self { format, ..self }
    }
}

fn chunk_mask(frames: usize, length: usize, dtype: DType, device: &Device) -> Result<Tensor> {
    let row = |query: usize| {
        let seen = (query / length + 1) * length;
        (0..frames).map(move |key| if key < seen { 0.0 } else { f32::NEG_INFINITY })
    };
    let mask = (0..frames).flat_map(row).collect();
    Tensor::from_vec(mask, (frames, frames), &Device::Cpu)?
        .to_dtype(dtype)?
        .to_device(device)
}

/// Multi-head attention of queries, keys and values [batch, frames, heads × head width], to the
/// same shape.
///
/// Only the first head is rotated: the reference applies a rotary embedding of one head's width
/// before it splits the heads.
pub(crate) fn attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    heads: usize,
    positions: &Positions,
) -> Result<Tensor> {
    let (_, frames, width) = q.dims3()?;
    if frames != positions.frames
        || width % heads != 0
        || k.dims() != q.dims()
        || v.dims() != q.dims()
    {
        candle_core::bail!(
            "attention of {heads} heads over {} frames got tensors of shape {:?}, {:?} and {:?}",
            positions.frames,
            q.dims(),
            k.dims(),
            v.dims()
        );
    }
    if positions.kernels.fit(q) {
        let kernel = Kernel { heads, positions };
        return q
            .contiguous()?
            .apply_op3_no_bwd(&k.contiguous()?, &v.contiguous()?, &kernel);
    }
    plain_attention(q, k, v, heads, positions)
}

fn plain_attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    heads: usize,
    positions: &Positions,
) -> Result<Tensor> {
    let (batch, frames, width) = q.dims3()?;
    let head_width = width / heads;
    let split = |x: &Tensor| {
        x.reshape((batch, frames, heads, head_width))?
            .transpose(1, 2)?
            .contiguous()
    };
    let turn = |x: Tensor| {
        let first = x.narrow(1, 0, 1)?.contiguous()?;
        let turned = rope_i(&first, &positions.cos, &positions.sin)?;
        match heads {
            1 => Ok(turned),
            _ => Tensor::cat(&[&turned, &x.narrow(1, 1, heads - 1)?], 1),
        }
    };
    let q = (turn(split(q)?)? * (head_width as f64).sqrt().recip())?;
    let k = turn(split(k)?)?.t()?.contiguous()?;
    let v = split(v)?;
    let rows = (MAX_SCORES / (batch * heads * frames).max(1)).clamp(1, frames.max(1));
    let mut parts = Vec::with_capacity(frames.div_ceil(rows));
    for first in (0..frames).step_by(rows) {
        let count = rows.min(frames - first);
        let scores = q.narrow(2, first, count)?.contiguous()?.matmul(&k)?;
        let scores = match positions
            .chunks
            .as_ref()
            .and_then(|chunks| chunks.mask.as_ref())
        {
            None => scores,
            Some(mask) => scores.broadcast_add(&mask.narrow(0, first, count)?)?,
        };
        parts.push(softmax_last_dim(&scores)?.matmul(&v)?);
    }
    Tensor::cat(&parts, 2)?
        .transpose(1, 2)?
        .reshape((batch, frames, width))
}

/// Reads the heads in place and holds the scores of a few queries at a time.
struct Kernel<'a> {
    heads: usize,
    positions: &'a Positions,
}

impl CustomOp3 for Kernel<'_> {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        q_layout: &Layout,
        k: &CpuStorage,
        k_layout: &Layout,
        v: &CpuStorage,
        v_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (_, frames, width) = q_layout.shape().dims3()?;
        let (q, k) = (elements(q, q_layout)?, elements(k, k_layout)?);
        let v = elements(v, v_layout)?;
        let mut out = vec![0f32; q.len()];
        let one = frames * width;
        if one > 0 {
            out.par_chunks_mut(one).enumerate().for_each(|(i, out)| {
                let range = i * one..(i + 1) * one;
                self.sequence(&q[range.clone()], &k[range.clone()], &v[range], width, out);
            });
        }
        Ok((CpuStorage::F32(out), q_layout.shape().clone()))
    }
}

impl Kernel<'_> {
    /// One sequence of the batch, [frames, width] each.
    fn sequence(&self, q: &[f32], k: &[f32], v: &[f32], width: usize, out: &mut [f32]) {
        let head_width = width / self.heads;
        let frames = self.positions.frames;
        let seen = |query: usize| match &self.positions.chunks {
            None => frames,
            Some(chunks) => (query / chunks.length + 1) * chunks.length,
        };
        let of_head = |x: &[f32], head: usize| -> Vec<f32> {
            let mut rows = Vec::with_capacity(frames * head_width);
            for row in x.chunks_exact(width) {
                rows.extend_from_slice(&row[head * head_width..][..head_width]);
            }
            rows
        };
        let heads: Vec<Vec<f32>> = (0..self.heads)
            .into_par_iter()
            .map(|head| {
                let (q, k) = match head {
                    0 => (self.rotated(q, width), self.rotated(k, width)),
                    _ => (of_head(q, head), of_head(k, head)),
                };
                let v = of_head(v, head);
                attend(&q, &k, &v, head_width, self.positions.format, seen)
            })
            .collect();
        for (frame, row) in out.chunks_exact_mut(width).enumerate() {
            for (part, head) in row.chunks_exact_mut(head_width).zip(&heads) {
                part.copy_from_slice(&head[frame * head_width..][..head_width]);
            }
        }
    }

    /// The first head, rotated by position: [frames, head width].
    fn rotated(&self, x: &[f32], width: usize) -> Vec<f32> {
        let head_width = width / self.heads;
        let turns = self.positions.turns.chunks_exact((head_width / 2).max(1));
        let rows = x.chunks_exact(width).zip(turns);
        rows.flat_map(|(row, turns)| {
            let pairs = row[..head_width].chunks_exact(2).zip(turns);
            pairs.flat_map(|(pair, (cos, sin))| {
                [pair[0] * cos - pair[1] * sin, pair[1] * cos + pair[0] * sin]
            })
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More than are computed at once.
    const ROWS: usize = 150;
    const HEADS: usize = 3;
    const WIDTH: usize = 24;

    fn inputs(frames: usize) -> Result<[Tensor; 3]> {
        let random = || Tensor::randn(0f32, 1.0, (2, frames, WIDTH), &Device::Cpu);
        Ok([random()?, random()?, random()?])
    }

    fn run(qkv: &[Tensor; 3], chunk: Option<usize>, dtype: DType) -> Result<Tensor> {
        run_with(Kernels::Own, qkv, chunk, dtype)
    }

    fn run_with(
        kernels: Kernels,
        qkv: &[Tensor; 3],
        chunk: Option<usize>,
        dtype: DType,
    ) -> Result<Tensor> {
        let frames = qkv[0].dim(1)?;
        let frequencies = [1.0, 0.3, 0.1, 0.01];
        let positions = Positions::new(&frequencies, frames, chunk, dtype, &Device::Cpu, kernels)?;
        let [q, k, v] = qkv.each_ref().map(|x| x.to_dtype(dtype));
        attention(&q?, &k?, &v?, HEADS, &positions)?.to_dtype(DType::F64)
    }

    fn apart(a: &Tensor, b: &Tensor) -> Result<f64> {
        (a - b)?.abs()?.max_all()?.to_scalar()
    }

    #[test]
    fn own_and_composed_agree_with_candle_in_float64() -> Result<()> {
        for frames in [1, 7, ROWS, 2 * ROWS + 3] {
            for chunk in [None, Some(1), Some(5), Some(ROWS)] {
                let qkv = inputs(frames)?;
                let want = run(&qkv, chunk, DType::F64)?;
                for kernels in Kernels::ALL {
                    let error = apart(&run_with(kernels, &qkv, chunk, DType::F32)?, &want)?;
                    assert!(
                        error < 2e-6,
                        "{kernels}, {frames} frames, chunks of {chunk:?}: {error}"
                    );
                }
            }
        }
        Ok(())
    }

    #[test]
    fn one_chunk_equals_no_mask() -> Result<()> {
        let qkv = inputs(20)?;
        for dtype in [DType::F32, DType::F64] {
            let apart = apart(&run(&qkv, Some(20), dtype)?, &run(&qkv, None, dtype)?)?;
            assert!(apart < 1e-6, "{dtype:?}");
        }
        Ok(())
    }

    #[test]
    fn frames_do_not_attend_to_the_next_chunk() -> Result<()> {
        let long = inputs(30)?;
        let short = long
            .each_ref()
            .map(|x| x.narrow(1, 0, 20).and_then(|x| x.contiguous()));
        let [q, k, v] = short;
        let short = run(&[q?, k?, v?], Some(10), DType::F32)?;
        let long = run(&long, Some(10), DType::F32)?;
        assert!(apart(&long.narrow(1, 0, 20)?, &short)? < 1e-6);
        Ok(())
    }

    #[test]
    fn only_the_first_head_depends_on_positions() -> Result<()> {
        // Equal keys and queries everywhere: without positions every frame averages all values.
        let frames = 6;
        let flat = Tensor::ones((2, frames, WIDTH), DType::F32, &Device::Cpu)?;
        let v = Tensor::randn(0f32, 1.0, (2, frames, WIDTH), &Device::Cpu)?;
        let out = run(&[flat.clone(), flat, v.clone()], None, DType::F32)?;
        let mean = v.to_dtype(DType::F64)?.mean_keepdim(1)?;
        let off = out.broadcast_sub(&mean)?.abs()?;
        let head = |i: usize| off.narrow(2, i * 8, 8)?.max_all()?.to_scalar::<f64>();
        assert!(head(0)? > 1e-2);
        assert!(head(1)? < 1e-6 && head(2)? < 1e-6);
        Ok(())
    }
}
