use candle_core::{DType, Device, Result, Tensor};
use candle_nn::{Linear, Module, VarBuilder, linear, ops::softmax_last_dim, rotary_emb::rope_i};

use crate::flow::DitConfig;

/// Upper bound on the attention scores held at once, so that memory grows with the length and
/// not with its square.
const MAX_SCORES: usize = 1 << 26;

/// Who may look at whom, and where everybody stands: shared by all blocks and steps.
pub(super) struct Positions {
    /// Rotary cosines and sines, each [frames, half].
    pub(super) rotary: (Tensor, Tensor),
    /// Present when frames see no further than the end of their chunk.
    pub(super) chunks: Option<ChunkMask>,
}

/// The streaming mask: a frame sees all frames up to the end of its own chunk.
pub(super) struct ChunkMask {
    /// 0 where a query (row) sees a key (column), −∞ elsewhere, [frames, frames].
    additive: Tensor,
    chunk: usize,
}

impl ChunkMask {
    pub(super) fn new(frames: usize, chunk: usize, dtype: DType, device: &Device) -> Result<Self> {
        let horizon = |query: usize| (query / chunk + 1) * chunk;
        let additive = (0..frames)
            .flat_map(|q| {
                (0..frames).map(move |k| {
                    if k < horizon(q) {
                        0.0
                    } else {
                        f32::NEG_INFINITY
                    }
                })
            })
            .collect();
        let additive = Tensor::from_vec(additive, (frames, frames), &Device::Cpu)?
            .to_dtype(dtype)?
            .to_device(device)?;
        Ok(Self { additive, chunk })
    }
}

/// Multi-head self-attention over mel frames.
pub(super) struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    out: Linear,
    heads: usize,
    head_dim: usize,
}

impl Attention {
    pub(super) fn new(config: &DitConfig, vb: VarBuilder<'_>) -> Result<Self> {
        let inner = config.heads * config.dim_head;
        Ok(Self {
            query: linear(config.dim, inner, vb.pp("to_q"))?,
            key: linear(config.dim, inner, vb.pp("to_k"))?,
            value: linear(config.dim, inner, vb.pp("to_v"))?,
            out: linear(inner, config.dim, vb.pp("to_out.0"))?,
            heads: config.heads,
            head_dim: config.dim_head,
        })
    }

    /// [batch, frames, dim] to the same.
    pub(super) fn forward(&self, x: &Tensor, positions: &Positions) -> Result<Tensor> {
        let (batch, frames, _) = x.dims3()?;
        let q = self.rotate(&self.split(&self.query.forward(x)?)?, positions)?;
        let k = self.rotate(&self.split(&self.key.forward(x)?)?, positions)?;
        let v = self.split(&self.value.forward(x)?)?;
        let q = (q * (self.head_dim as f64).sqrt().recip())?;
        let k = k.t()?;

        let rows = self.query_rows(batch, frames, positions);
        let mut parts = Vec::with_capacity(frames.div_ceil(rows));
        for first in (0..frames).step_by(rows) {
            let count = rows.min(frames - first);
            let q = q.narrow(2, first, count)?;
            parts.push(match &positions.chunks {
                None => attend(&q, &k, &v, None)?,
                Some(mask) => {
                    let seen = ((first + count).div_ceil(mask.chunk) * mask.chunk).min(frames);
                    let additive = mask.additive.narrow(0, first, count)?.narrow(1, 0, seen)?;
                    attend(
                        &q,
                        &k.narrow(3, 0, seen)?,
                        &v.narrow(2, 0, seen)?,
                        Some(&additive),
                    )?
                }
            });
        }
        let attended = Tensor::cat(&parts, 2)?;
        self.out
            .forward(&attended.transpose(1, 2)?.flatten_from(2)?)
    }

    /// [batch, frames, heads × head width] to [batch, heads, frames, head width].
    fn split(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, frames, _) = x.dims3()?;
        x.reshape((batch, frames, self.heads, self.head_dim))?
            .transpose(1, 2)?
            .contiguous()
    }

    /// Turns the first head only: the reference applies a rotary embedding of one head's width
    /// before it splits the heads.
    fn rotate(&self, x: &Tensor, positions: &Positions) -> Result<Tensor> {
        let (cos, sin) = &positions.rotary;
        let turned = rope_i(&x.narrow(1, 0, 1)?.contiguous()?, cos, sin)?;
        if self.heads == 1 {
            return Ok(turned);
        }
        Tensor::cat(&[&turned, &x.narrow(1, 1, self.heads - 1)?], 1)
    }

    /// Queries to take at once: whole chunks of them where there are chunks.
    fn query_rows(&self, batch: usize, frames: usize, positions: &Positions) -> usize {
        let rows = (MAX_SCORES / (batch * self.heads * frames)).clamp(1, frames);
        match &positions.chunks {
            None => rows,
            Some(mask) => rows.next_multiple_of(mask.chunk),
        }
    }
}

fn attend(q: &Tensor, k: &Tensor, v: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
    let scores = q.contiguous()?.matmul(k)?;
    let scores = match mask {
        None => scores,
        Some(mask) => scores.broadcast_add(mask)?,
    };
    softmax_last_dim(&scores)?.matmul(&v.contiguous()?)
}
