//! One more position of Qwen2's decoder, of one segment or of several, on the CPU, with no tensors in
//! between.
//!
//! Decoding a token is reading the weights once, for several segments as for one: each is computed
//! as if it were alone. What lies between the products is small, but done tensor by tensor it would
//! take as long as the products of 8-bit weights.

use std::sync::Arc;

use candle_core::{DType, Device, Result, Tensor};
use packed_linear::PackedLinear;
use rayon::prelude::*;

use super::qwen2::{KvCache, Layer, Qwen2};
use crate::ops::{Head, Linear, RmsNorm, add, cpu_elements, rotate_halves, row_attention, swiglu};

/// The packed weights of a layer.
#[derive(Clone, Debug)]
struct PackedLayer {
    q: Arc<PackedLinear>,
    k: Arc<PackedLinear>,
    v: Arc<PackedLinear>,
    o: Arc<PackedLinear>,
    gate: Arc<PackedLinear>,
    up: Arc<PackedLinear>,
    down: Arc<PackedLinear>,
}

/// The packed weights of all layers.
#[derive(Clone, Debug)]
pub(super) struct PackedLayers(Vec<PackedLayer>);

impl PackedLayers {
    /// Of layers whose weights are packed; `None` on other devices.
    pub(super) fn of(layers: &[Layer]) -> Option<Self> {
        let packed = |linear: &Linear| linear.packed().cloned();
        let layer = |layer: &Layer| {
            let (attention, mlp) = (&layer.attention, &layer.mlp);
            Some(PackedLayer {
                q: packed(&attention.q_proj)?,
                k: packed(&attention.k_proj)?,
                v: packed(&attention.v_proj)?,
                o: packed(&attention.o_proj)?,
                gate: packed(&mlp.gate_proj)?,
                up: packed(&mlp.up_proj)?,
                down: packed(&mlp.down_proj)?,
            })
        };
        layers.iter().map(layer).collect::<Option<_>>().map(Self)
    }
}

/// A position of a segment.
#[derive(Debug)]
pub(super) struct Position {
    /// [hidden].
    pub(super) embedding: Vec<f32>,
    /// What it follows.
    pub(super) cache: KvCache,
}

impl Qwen2 {
    /// The hidden states after the last norm, [positions, hidden], of positions of as many segments.
    /// A position is not counted in its cache yet ([`KvCache::advance`]).
    pub(super) fn step(
        &self,
        packed: &PackedLayers,
        positions: &mut [Position],
    ) -> Result<Vec<f32>> {
        let width = self.config().hidden_size;
        let mut x = Vec::with_capacity(positions.len() * width);
        let mut rotations = Vec::with_capacity(positions.len());
        for Position { embedding, cache } in &mut *positions {
            cache.reserve(cache.len() + 1);
            let rotation = cache.rotation(1, DType::F32, &self.rotary)?;
            rotations.push(Angles {
                cos: rotation.cos.flatten_all()?.to_vec1()?,
                sin: rotation.sin.flatten_all()?.to_vec1()?,
            });
            x.extend(&*embedding);
        }
        let mut normed = vec![0.0; x.len()];
        for (number, (layer, packed)) in self.layers.iter().zip(&packed.0).enumerate() {
            norm_rows(&layer.input_layernorm, &x, &mut normed, width)?;
            let [mut q, mut k, v] =
                PackedLinear::run_rows_apart([&packed.q, &packed.k, &packed.v], &normed);
            let (q_width, kv_width) = (packed.q.outputs(), packed.k.outputs());
            let rows = q
                .chunks_exact_mut(q_width)
                .zip(k.chunks_exact_mut(kv_width));
            let rows = rows.zip(v.chunks_exact(kv_width));
            let rows = rows.zip(&rotations).zip(&mut *positions);
            let one = |((((q, k), v), angles), position): (_, &mut Position)| {
                attend(layer, (q, k, v), angles, &mut position.cache, number)
            };
            let attended = match rows.len() {
                1 => rows.map(one).collect::<Result<Vec<_>>>()?,
                _ => {
                    let rows: Vec<_> = rows.collect();
                    rows.into_par_iter().map(one).collect::<Result<Vec<_>>>()?
                }
            };
            let [attended] = PackedLinear::run_rows_apart([&packed.o], &attended.concat());
            add(&mut x, &attended);
            norm_rows(&layer.post_attention_layernorm, &x, &mut normed, width)?;
            let [mut gate, up] = PackedLinear::run_rows_apart([&packed.gate, &packed.up], &normed);
            swiglu(&mut gate, &up);
            let [fed] = PackedLinear::run_rows_apart([&packed.down], &gate);
            add(&mut x, &fed);
        }
        norm_rows(&self.norm, &x, &mut normed, width)?;
        Ok(normed)
    }
}

/// By how much the halves of a position's heads are rotated.
struct Angles {
    cos: Vec<f32>,
    sin: Vec<f32>,
}

fn norm_rows(norm: &RmsNorm, x: &[f32], out: &mut [f32], width: usize) -> Result<()> {
    let mut rows = x.chunks_exact(width).zip(out.chunks_exact_mut(width));
    rows.try_for_each(|(x, out)| norm.row(x, out))
}

/// Adds a position's keys and values to the cache, and returns what its queries see of all.
fn attend(
    layer: &Layer,
    (q, k, v): (&mut [f32], &mut [f32], &[f32]),
    Angles { cos, sin }: &Angles,
    cache: &mut KvCache,
    number: usize,
) -> Result<Vec<f32>> {
    rotate_halves(q, cos, sin);
    rotate_halves(k, cos, sin);
    let attention = &layer.attention;
    let (groups, width) = (attention.kv_heads, attention.head_dim);
    let shape = (groups, 1, width);
    let k = Tensor::from_slice(k, shape, &Device::Cpu)?;
    let v = Tensor::from_slice(v, shape, &Device::Cpu)?;
    let (k, v) = cache.append(number, &k, &v)?;
    let mut out = vec![0.0; q.len()];
    let per_group = (q.len() / groups).max(1);
    let heads = q
        .chunks_exact(per_group)
        .zip(out.chunks_exact_mut(per_group));
    for (group, (queries, out)) in heads.enumerate() {
        // The positions of one head lie side by side.
        let (k, v) = (k.get(group)?, v.get(group)?);
        let (k_storage, k_layout) = k.storage_and_layout();
        let (v_storage, v_layout) = v.storage_and_layout();
        let head = |rows| Head { rows, width };
        row_attention(
            queries,
            head(cpu_elements(&k_storage, k_layout)?),
            head(cpu_elements(&v_storage, v_layout)?),
            out,
        );
    }
    Ok(out)
}
