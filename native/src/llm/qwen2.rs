//! Qwen2's decoder, with a cache of keys and values.

use candle_core::{DType, Device, Result, Tensor};

use super::QwenConfig;
use super::step::PackedLayers;
use crate::ops::{Embedding, Linear, RmsNorm};
use crate::tap::Layers;
use crate::weights::Builder;

/// The body of the language model.
#[derive(Clone, Debug)]
pub(super) struct Qwen2 {
    embed_tokens: Embedding,
    pub(super) layers: Vec<Layer>,
    /// The layers' weights where single positions can be decoded with them.
    packed: Option<PackedLayers>,
    pub(super) norm: RmsNorm,
    pub(super) rotary: Rotary,
    config: QwenConfig,
}

#[derive(Clone, Debug)]
pub(super) struct Layer {
    pub(super) input_layernorm: RmsNorm,
    pub(super) attention: Attention,
    pub(super) post_attention_layernorm: RmsNorm,
    pub(super) mlp: Mlp,
}

#[derive(Clone, Debug)]
pub(super) struct Attention {
    pub(super) q_proj: Linear,
    pub(super) k_proj: Linear,
    pub(super) v_proj: Linear,
    pub(super) o_proj: Linear,
    heads: usize,
    pub(super) kv_heads: usize,
    pub(super) head_dim: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Mlp {
    pub(super) gate_proj: Linear,
    pub(super) up_proj: Linear,
    pub(super) down_proj: Linear,
}

impl Qwen2 {
    pub(super) fn new(config: &QwenConfig, vb: Builder) -> Result<Self> {
        let norm = |vb| RmsNorm::load(config.hidden_size, config.rms_norm_eps, vb);
        let layers = (0..config.num_hidden_layers)
            .map(|i| {
                let vb = vb.pp("layers").pp(i);
                Ok(Layer {
                    input_layernorm: norm(vb.pp("input_layernorm"))?,
                    attention: Attention::new(config, vb.pp("self_attn"))?,
                    post_attention_layernorm: norm(vb.pp("post_attention_layernorm"))?,
                    mlp: Mlp::new(config, vb.pp("mlp"))?,
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let table = vb.pp("embed_tokens");
        Ok(Self {
            embed_tokens: Embedding::load(config.vocab_size, config.hidden_size, table)?,
            packed: PackedLayers::of(&layers),
            layers,
            norm: norm(vb.pp("norm"))?,
            rotary: Rotary::new(config, vb.device())?,
            config: config.clone(),
        })
    }

    /// Embeddings of text ids, [ids, hidden].
    pub(super) fn embed(&self, ids: &Tensor) -> Result<Tensor> {
        self.embed_tokens.forward(ids)
    }

    /// An empty cache with room for `positions`; it grows as needed.
    pub(super) fn cache(&self, positions: usize) -> KvCache {
        KvCache {
            layers: vec![LayerCache { kv: None }; self.layers.len()],
            len: 0,
            room: positions,
            rotation: None,
        }
    }

    /// Hidden states after the last norm, [positions, hidden], of embeddings [positions, hidden]
    /// that follow what is in the cache.
    pub(super) fn forward(
        &self,
        embeddings: &Tensor,
        cache: &mut KvCache,
        layers: &mut Layers<'_>,
    ) -> crate::Result<Tensor> {
        let positions = embeddings.dim(0)?;
        cache.reserve(cache.len + positions);
        let span = Positions {
            rotation: cache.rotation(positions, embeddings.dtype(), &self.rotary)?,
            mask: causal_mask(cache.len, positions, embeddings)?,
            past: cache.len,
            room: cache.room,
        };
        let mut x = embeddings.clone();
        for (i, layer) in self.layers.iter().enumerate() {
            let mut outputs = layers.block(format_args!("layer.{i:02}"));
            let attended = layer.attention.forward(
                &layer.input_layernorm.forward(&x)?,
                &span,
                &mut cache.layers[i],
                &mut outputs,
            )?;
            outputs.record("attention", &attended)?;
            x = (x + attended)?;
            let fed = layer
                .mlp
                .forward(&layer.post_attention_layernorm.forward(&x)?)?;
            outputs.record("mlp", &fed)?;
            x = (x + fed)?;
            outputs.record("output", &x)?;
        }
        cache.advance(positions);
        Ok(self.norm.forward(&x)?)
    }

    /// Bytes of weights that a position reads.
    pub(super) fn bytes_per_position(&self) -> u64 {
        let layers = self.layers.iter().map(|layer| {
            let (attention, mlp) = (&layer.attention, &layer.mlp);
            [
                &attention.q_proj,
                &attention.k_proj,
                &attention.v_proj,
                &attention.o_proj,
                &mlp.gate_proj,
                &mlp.up_proj,
                &mlp.down_proj,
            ]
            .map(Linear::bytes)
            .iter()
            .sum::<u64>()
        });
        layers.sum()
    }

    /// The layers' packed weights, on the CPU.
    pub(super) fn packed(&self) -> Option<&PackedLayers> {
        self.packed.as_ref()
    }

    pub(super) fn config(&self) -> &QwenConfig {
        &self.config
    }
}

/// The positions that are computed at once, and what every layer needs to know of them.
struct Positions {
    rotation: Rotation,
    mask: Option<Tensor>,
    /// Positions before them.
    past: usize,
    /// Positions that the cache has to hold.
    room: usize,
}

impl Attention {
    fn new(config: &QwenConfig, vb: Builder) -> Result<Self> {
        let (hidden, head_dim) = (config.hidden_size, config.head_dim());
        let (heads, kv_heads) = (config.num_attention_heads, config.num_key_value_heads);
        Ok(Self {
            q_proj: Linear::load(hidden, heads * head_dim, vb.pp("q_proj"))?,
            k_proj: Linear::load(hidden, kv_heads * head_dim, vb.pp("k_proj"))?,
            v_proj: Linear::load(hidden, kv_heads * head_dim, vb.pp("v_proj"))?,
            o_proj: Linear::load_no_bias(heads * head_dim, hidden, vb.pp("o_proj"))?,
            heads,
            kv_heads,
            head_dim,
        })
    }

    fn forward(
        &self,
        x: &Tensor,
        span: &Positions,
        cache: &mut LayerCache,
        layers: &mut Layers<'_>,
    ) -> crate::Result<Tensor> {
        let positions = x.dim(0)?;
        let split = |x: Tensor, heads: usize| {
            x.reshape((positions, heads, self.head_dim))?
                .transpose(0, 1)?
                .contiguous()
        };
        let q = span
            .rotation
            .apply(&split(self.q_proj.forward(x)?, self.heads)?)?;
        let k = span
            .rotation
            .apply(&split(self.k_proj.forward(x)?, self.kv_heads)?)?;
        let v = split(self.v_proj.forward(x)?, self.kv_heads)?;
        layers.record("attention.q_rotary", &q)?;
        layers.record("attention.k_rotary", &k)?;
        layers.record("attention.v", &v)?;
        let (k, v) = cache.append(&k, &v, span.past, span.room)?;

        // The query heads of a group are stacked as rows and multiplied by their shared key head.
        let rows = self.heads / self.kv_heads * positions;
        let q =
            (q.reshape((self.kv_heads, rows, self.head_dim))? * (self.head_dim as f64).powf(-0.5))?;
        let mut scores = q.matmul(&k.transpose(1, 2)?)?;
        let total = span.past + positions;
        if let Some(mask) = &span.mask {
            scores = scores
                .reshape((self.heads, positions, total))?
                .broadcast_add(mask)?
                .reshape((self.kv_heads, rows, total))?;
        }
        let weights = candle_nn::ops::softmax_last_dim(&scores)?;
        let attended = weights
            .matmul(&v)?
            .reshape((self.heads, positions, self.head_dim))?
            .transpose(0, 1)?
            .reshape((positions, self.heads * self.head_dim))?;
        Ok(self.o_proj.forward(&attended)?)
    }
}

impl Mlp {
    fn new(config: &QwenConfig, vb: Builder) -> Result<Self> {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        Ok(Self {
            gate_proj: Linear::load_no_bias(hidden, inner, vb.pp("gate_proj"))?,
            up_proj: Linear::load_no_bias(hidden, inner, vb.pp("up_proj"))?,
            down_proj: Linear::load_no_bias(inner, hidden, vb.pp("down_proj"))?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let gate = self.gate_proj.forward(x)?.silu()?;
        self.down_proj.forward(&(gate * self.up_proj.forward(x)?)?)
    }
}

/// Rotary position embedding, halves rotated against each other.
#[derive(Clone, Debug)]
pub(super) struct Rotary {
    /// Angle per position, [head_dim / 2], float32 as in the reference, whose rounding shows at
    /// large positions.
    frequencies: Tensor,
}

/// Cosines and sines of some positions, each [positions, head_dim / 2].
#[derive(Clone, Debug)]
pub(super) struct Rotation {
    pub(super) cos: Tensor,
    pub(super) sin: Tensor,
}

impl Rotary {
    fn new(config: &QwenConfig, device: &Device) -> Result<Self> {
        let dim = config.head_dim();
        let frequencies: Vec<f32> = (0..dim)
            .step_by(2)
            .map(|i| {
                let exponent = f64::from(i as f32 / dim as f32);
                1.0 / config.rope_theta.powf(exponent) as f32
            })
            .collect();
        Ok(Self {
            frequencies: Tensor::new(frequencies, device)?,
        })
    }

    /// Of the first `count` positions.
    fn rotation(&self, count: usize, dtype: DType) -> Result<Rotation> {
        let device = self.frequencies.device();
        let positions = Tensor::arange(0, count as u32, device)?
            .to_dtype(DType::F32)?
            .unsqueeze(1)?;
        let angles = positions.broadcast_mul(&self.frequencies)?;
        Ok(Rotation {
            cos: angles.cos()?.to_dtype(dtype)?,
            sin: angles.sin()?.to_dtype(dtype)?,
        })
    }
}

impl Rotation {
    fn positions(&self) -> usize {
        self.cos.dims().first().copied().unwrap_or_default()
    }

    /// That of `count` positions from `from` on.
    fn narrow(&self, from: usize, count: usize) -> Result<Self> {
        Ok(Self {
            cos: self.cos.narrow(0, from, count)?,
            sin: self.sin.narrow(0, from, count)?,
        })
    }

    /// Rotates [heads, positions, head_dim].
    fn apply(&self, x: &Tensor) -> Result<Tensor> {
        candle_nn::rotary_emb::rope(&x.unsqueeze(0)?, &self.cos, &self.sin)?.squeeze(0)
    }
}

/// Zero where a position may attend, minus infinity where it may not, [positions, total]; nothing
/// for a single position, which may attend to all.
fn causal_mask(past: usize, positions: usize, like: &Tensor) -> Result<Option<Tensor>> {
    if positions == 1 {
        return Ok(None);
    }
    let total = past + positions;
    let mask: Vec<f32> = (0..positions)
        .flat_map(|i| (0..total).map(move |j| if j > past + i { f32::NEG_INFINITY } else { 0.0 }))
        .collect();
    let mask = Tensor::from_vec(mask, (positions, total), like.device())?;
    mask.to_dtype(like.dtype()).map(Some)
}

/// Keys and values of the positions so far.
#[derive(Clone, Debug, Default)]
pub(super) struct KvCache {
    layers: Vec<LayerCache>,
    len: usize,
    room: usize,
    /// That of all positions that there is room for: on a GPU, making it position by position
    /// would send every one of them there.
    rotation: Option<Rotation>,
}

#[derive(Clone, Debug)]
struct LayerCache {
    /// Each [kv_heads, room, head_dim], of which the first positions are filled.
    kv: Option<(Tensor, Tensor)>,
}

impl KvCache {
    /// Positions in the cache.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Counts positions whose keys and values every layer has appended.
    pub(super) fn advance(&mut self, positions: usize) {
        self.len += positions;
    }

    /// Adds a layer's keys and values [kv_heads, positions, head_dim], and returns all of them.
    pub(super) fn append(
        &mut self,
        layer: usize,
        k: &Tensor,
        v: &Tensor,
    ) -> Result<(Tensor, Tensor)> {
        self.layers[layer].append(k, v, self.len, self.room)
    }

    /// Has room for so many positions.
    pub(super) fn reserve(&mut self, positions: usize) {
        if positions > self.room {
            self.room = positions.max(2 * self.room);
        }
    }

    /// The rotation of the next `count` positions, for which there must be room.
    pub(super) fn rotation(
        &mut self,
        count: usize,
        dtype: DType,
        rotary: &Rotary,
    ) -> Result<Rotation> {
        let all = match self.rotation.take() {
            Some(all) if all.positions() >= self.len + count => all,
            _ => rotary.rotation(self.room, dtype)?,
        };
        self.rotation.insert(all).narrow(self.len, count)
    }
}

impl LayerCache {
    /// Adds keys and values [kv_heads, positions, head_dim] after `past` others, and returns all.
    fn append(
        &mut self,
        k: &Tensor,
        v: &Tensor,
        past: usize,
        room: usize,
    ) -> Result<(Tensor, Tensor)> {
        let positions = k.dim(1)?;
        let buffers = match self.kv.take() {
            Some((keys, values)) if keys.dim(1)? >= past + positions => (keys, values),
            outgrown => {
                let (kv_heads, _, head_dim) = k.dims3()?;
                let fresh = || Tensor::zeros((kv_heads, room, head_dim), k.dtype(), k.device());
                let (keys, values) = (fresh()?, fresh()?);
                if let Some((old_keys, old_values)) = outgrown {
                    keys.slice_set(&old_keys.narrow(1, 0, past)?.contiguous()?, 1, 0)?;
                    values.slice_set(&old_values.narrow(1, 0, past)?.contiguous()?, 1, 0)?;
                }
                (keys, values)
            }
        };
        let (keys, values) = self.kv.insert(buffers);
        keys.slice_set(k, 1, past)?;
        values.slice_set(v, 1, past)?;
        Ok((
            keys.narrow(1, 0, past + positions)?,
            values.narrow(1, 0, past + positions)?,
        ))
    }
}
