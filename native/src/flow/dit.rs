use candle_core::{D, DType, Device, Module, Result, Tensor};
use candle_nn::{Linear, VarBuilder, linear};

use crate::conv::Conv1d;
use crate::flow::DitConfig;
use crate::flow::attention::{Attention, Positions};
use crate::flow::time::{TimeEmbedding, modulation};

const NORM_EPSILON: f64 = 1e-6;
const POSITION_KERNEL: usize = 31;
const POSITION_GROUPS: usize = 16;

/// The diffusion transformer: the velocity of a noisy mel at one time step.
///
/// Adaptive layer norms read nothing but the time, and the time grid is fixed, so they are tables
/// made on loading; the matrices behind them, a third of the checkpoint, are not kept.
pub(super) struct Dit {
    time_embedding: Tensor,
    input: Linear,
    position: [Conv1d; 2],
    blocks: Vec<Block>,
    /// Scale and shift of the last layer norm, [steps, 2, dim].
    out_modulation: Tensor,
    out: Linear,
    inverse_frequencies: Vec<f32>,
}

/// Receives the name and value of every tensor inside the network.
pub(super) type Inside<'a> = &'a mut dyn FnMut(&str, &Tensor) -> crate::Result<()>;

impl Dit {
    pub(super) fn new(config: &DitConfig, vb: VarBuilder<'_>) -> Result<Self> {
        let dim = config.dim;
        let time = TimeEmbedding::new(dim, vb.pp("time_embed"))?;
        let position = vb.pp("input_embed.conv_pos_embed");
        let position_conv = |name: &str| {
            Conv1d::load(
                dim / POSITION_GROUPS,
                dim,
                POSITION_KERNEL,
                position.pp(name).pp("0"),
            )
            .map(|conv| conv.with_groups(POSITION_GROUPS))
        };
        let inputs = 2 * config.mel_dim + config.mu_dim + config.spk_dim;
        let blocks = vb.pp("transformer_blocks");
        let frequencies = vb.get(config.dim_head / 2, "rotary_embed.inv_freq")?;
        Ok(Self {
            input: linear(inputs, dim, vb.pp("input_embed.proj"))?,
            position: [position_conv("conv1")?, position_conv("conv2")?],
            blocks: (0..config.depth)
                .map(|i| Block::new(config, &time, blocks.pp(i)))
                .collect::<Result<_>>()?,
            out_modulation: modulation(2, dim, &time, vb.pp("norm_out"))?,
            out: linear(dim, config.out_channels, vb.pp("proj_out"))?,
            inverse_frequencies: frequencies
                .to_dtype(DType::F32)?
                .to_device(&Device::Cpu)?
                .to_vec1()?,
            time_embedding: time.embedding,
        })
    }

    pub(super) fn inverse_frequencies(&self) -> &[f32] {
        &self.inverse_frequencies
    }

    /// The velocity [batch, frames, channels] of `x` [batch, frames, noisy mel + prompt mel + mu +
    /// speaker] at step `index`, counted from 0.
    pub(super) fn forward(
        &self,
        index: usize,
        x: &Tensor,
        positions: &Positions,
        inside: Inside<'_>,
    ) -> crate::Result<Tensor> {
        inside("time_embed", &self.time_embedding.get(index)?)?;
        let x = self.input.forward(x)?;
        let mut h = x.transpose(1, 2)?;
        for conv in &self.position {
            h = mish(&conv.causal(&h)?)?;
        }
        let mut x = (h.transpose(1, 2)? + x)?;
        inside("input_embed", &x)?;
        for (i, block) in self.blocks.iter().enumerate() {
            x = block.forward(index, &x, positions)?;
            inside(&format!("block.{i:02}"), &x)?;
        }
        let table = self.out_modulation.get(index)?;
        let x = modulated_norm(&x, &table.get(1)?, &table.get(0)?)?;
        inside("norm_out", &x)?;
        Ok(self.out.forward(&x)?)
    }
}

struct Block {
    /// Shift, scale and gate of the attention, then those of the feed-forward, [steps, 6, dim].
    modulation: Tensor,
    attention: Attention,
    expand: Linear,
    contract: Linear,
}

impl Block {
    fn new(config: &DitConfig, time: &TimeEmbedding, vb: VarBuilder<'_>) -> Result<Self> {
        let (dim, inner) = (config.dim, config.dim * config.ff_mult);
        Ok(Self {
            modulation: modulation(6, dim, time, vb.pp("attn_norm"))?,
            attention: Attention::new(config, vb.pp("attn"))?,
            expand: linear(dim, inner, vb.pp("ff.ff.0.0"))?,
            contract: linear(inner, dim, vb.pp("ff.ff.2"))?,
        })
    }

    fn forward(&self, index: usize, x: &Tensor, positions: &Positions) -> Result<Tensor> {
        let table = self.modulation.get(index)?;
        let row = |i| table.get(i);
        let h = modulated_norm(x, &row(0)?, &row(1)?)?;
        let h = self.attention.forward(&h, positions)?;
        let x = (x + h.broadcast_mul(&row(2)?)?)?;
        let h = modulated_norm(&x, &row(3)?, &row(4)?)?;
        let h = self.contract.forward(&self.expand.forward(&h)?.gelu()?)?;
        x + h.broadcast_mul(&row(5)?)?
    }
}

/// Layer norm over the last dimension without weights of its own, then scaled by 1 + `scale` and
/// shifted.
fn modulated_norm(x: &Tensor, shift: &Tensor, scale: &Tensor) -> Result<Tensor> {
    let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
    let x = centred.broadcast_div(&(variance + NORM_EPSILON)?.sqrt()?)?;
    x.broadcast_mul(&(scale + 1.0)?)?.broadcast_add(shift)
}

/// x · tanh(ln(1 + eˣ)), by the identity that needs no logarithm: with n = eˣ(eˣ + 2),
/// tanh(ln(1 + eˣ)) = n / (n + 2).
fn mish(x: &Tensor) -> Result<Tensor> {
    // Beyond 20 the factor is 1 to the last bit, and e²ˣ would overflow; in half precision it
    // would long before.
    let wide = x.to_dtype(DType::F32)?;
    let e = wide.minimum(20.0)?.exp()?;
    let n = (&e * (&e + 2.0)?)?;
    (wide * (&n / (&n + 2.0)?)?)?.to_dtype(x.dtype())
}
