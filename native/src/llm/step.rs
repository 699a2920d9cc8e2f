//! One more position of Qwen2's decoder, on the CPU, with no tensors in between.
//!
//! Decoding a token is reading the weights once. What lies between the products is small, but done
//! tensor by tensor it would take as long as the products of 8-bit weights.

use std::sync::Arc;

use candle_core::{Device, Result, Tensor};
use packed_linear::PackedLinear;

use super::qwen2::{KvCache, Layer, Qwen2};
use crate::ops::{Head, Linear, add, cpu_elements, rotate_halves, row_attention, swiglu};

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

impl Qwen2 {
    /// The hidden state after the last norm, [1, hidden], of one embedding [1, hidden] that follows
    /// what is in the cache, which has room for it.
    pub(super) fn step(
        &self,
        packed: &PackedLayers,
        embedding: &Tensor,
        cache: &mut KvCache,
    ) -> Result<Tensor> {
        let mut x: Vec<f32> = embedding.flatten_all()?.to_vec1()?;
        let rotation = cache.rotation(1, embedding.dtype(), &self.rotary)?;
        let cos: Vec<f32> = rotation.cos.flatten_all()?.to_vec1()?;
        let sin: Vec<f32> = rotation.sin.flatten_all()?.to_vec1()?;
        let mut normed = vec![0.0; x.len()];
        for (number, (layer, packed)) in self.layers.iter().zip(&packed.0).enumerate() {
            layer.input_layernorm.row(&x, &mut normed)?;
            let [mut q, mut k, v] =
                PackedLinear::run_many([&packed.q, &packed.k, &packed.v], &normed);
            rotate_halves(&mut q, &cos, &sin);
            rotate_halves(&mut k, &cos, &sin);
            let attended = attend(layer, &q, k, v, cache, number)?;
            add(&mut x, &packed.o.run(&attended, None));
            layer.post_attention_layernorm.row(&x, &mut normed)?;
            let [mut gate, up] = PackedLinear::run_many([&packed.gate, &packed.up], &normed);
            swiglu(&mut gate, &up);
            add(&mut x, &packed.down.run(&gate, None));
        }
        cache.advance(1);
        self.norm.row(&x, &mut normed)?;
        Tensor::from_vec(normed, (1, x.len()), &Device::Cpu)
    }
}

/// Adds a position's keys and values to the cache, and returns what its queries see of all.
fn attend(
    layer: &Layer,
    q: &[f32],
    k: Vec<f32>,
    v: Vec<f32>,
    cache: &mut KvCache,
    number: usize,
) -> Result<Vec<f32>> {
    let attention = &layer.attention;
    let (groups, width) = (attention.kv_heads, attention.head_dim);
    let shape = (groups, 1, width);
    let k = Tensor::from_vec(k, shape, &Device::Cpu)?;
    let v = Tensor::from_vec(v, shape, &Device::Cpu)?;
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
