use candle_core::{DType, Result, Tensor};

use crate::flow::DitConfig;
use crate::flow::time::{TimeEmbedding, modulation};
use crate::kernels::Kernels;
use crate::ops::{Conv1d, Linear, Positions, add_gated, attention, mish, modulated_norm};
use crate::tap::Layers;
use crate::weights::Builder;

const POSITION_KERNEL: usize = 31;
const POSITION_GROUPS: usize = 16;

/// The diffusion transformer: the velocity of a noisy mel at one time step.
///
/// Adaptive layer norms depend on the time alone, and the time grid is fixed, so their outputs are
/// computed once, on loading; their matrices, a third of the checkpoint, are then dropped.
pub(super) struct Dit {
    time_embedding: Tensor,
    input: Linear,
    position: [Conv1d; 2],
    blocks: Vec<Block>,
    /// Scale and shift of the last layer norm, [steps, 2, dim].
    out_modulation: Tensor,
    out: Linear,
    inverse_frequencies: Vec<f32>,
    kernels: Kernels,
}

impl Dit {
    pub(super) fn new(config: &DitConfig, steps: usize, vb: Builder) -> Result<Self> {
        let dim = config.dim;
        let time = TimeEmbedding::new(dim, steps, vb.pp("time_embed"))?;
        let position = vb.pp("input_embed.conv_pos_embed");
        let position_conv = |name: &str| {
            Conv1d::load(
                dim / POSITION_GROUPS,
                dim,
                POSITION_KERNEL,
                POSITION_GROUPS,
                position.pp(name).pp("0"),
            )
        };
        let inputs = 2 * config.mel_dim + config.mu_dim + config.spk_dim;
        let blocks = vb.pp("transformer_blocks");
        // A half precision would turn late frames by another angle.
        let frequencies = vb.get_float64(config.dim_head / 2, "rotary_embed.inv_freq")?;
        Ok(Self {
            input: Linear::load(inputs, dim, vb.pp("input_embed.proj").finer())?,
            position: [position_conv("conv1")?, position_conv("conv2")?],
            blocks: (0..config.depth)
                .map(|i| Block::new(config, &time, blocks.pp(i)))
                .collect::<Result<_>>()?,
            out_modulation: modulation(2, dim, &time, vb.pp("norm_out"))?,
            out: Linear::load(dim, config.out_channels, vb.pp("proj_out").finer())?,
            inverse_frequencies: frequencies.to_dtype(DType::F32)?.to_vec1()?,
            time_embedding: time.embedding,
            kernels: vb.kernels(),
        })
    }

    /// Multiply-adds that the linear layers do for a frame.
    pub(super) fn operations_per_frame(&self) -> u64 {
        let blocks = self.blocks.iter().map(|block| {
            let linears = [
                &block.query,
                &block.key,
                &block.value,
                &block.attended,
                &block.expand,
                &block.contract,
            ];
            linears.map(Linear::operations).iter().sum::<u64>()
        });
        blocks.sum::<u64>() + self.input.operations() + self.out.operations()
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
        layers: &mut Layers<'_>,
    ) -> crate::Result<Tensor> {
        layers.record("time_embed", &self.time_embedding.get(index)?)?;
        let x = self.input.forward(x)?;
        let mut h = x.transpose(1, 2)?;
        for conv in &self.position {
            h = mish(&conv.causal(&h)?, self.kernels)?;
        }
        let mut x = (h.transpose(1, 2)? + x)?;
        layers.record("input_embed", &x)?;
        for (i, block) in self.blocks.iter().enumerate() {
            let name = format_args!("block.{i:02}");
            x = block.forward(index, &x, positions, &mut layers.block(name))?;
            layers.record(name, &x)?;
        }
        let table = self.out_modulation.get(index)?;
        let x = modulated_norm(&x, &table.get(1)?, &table.get(0)?, self.kernels)?;
        layers.record("norm_out", &x)?;
        Ok(self.out.forward(&x)?)
    }
}

struct Block {
    /// Shift, scale and gate of the attention, then those of the feed-forward, [steps, 6, dim].
    modulation: Tensor,
    heads: usize,
    query: Linear,
    key: Linear,
    value: Linear,
    attended: Linear,
    expand: Linear,
    contract: Linear,
    kernels: Kernels,
}

impl Block {
    fn new(config: &DitConfig, time: &TimeEmbedding, vb: Builder) -> Result<Self> {
        let (dim, inner) = (config.dim, config.dim * config.ff_mult);
        let width = config.heads * config.dim_head;
        let attention = vb.pp("attn");
        Ok(Self {
            modulation: modulation(6, dim, time, vb.pp("attn_norm"))?,
            heads: config.heads,
            query: Linear::load(dim, width, attention.pp("to_q"))?,
            key: Linear::load(dim, width, attention.pp("to_k"))?,
            value: Linear::load(dim, width, attention.pp("to_v"))?,
            attended: Linear::load(width, dim, attention.pp("to_out.0"))?,
            expand: Linear::load(dim, inner, vb.pp("ff.ff.0.0"))?,
            contract: Linear::load(inner, dim, vb.pp("ff.ff.2"))?,
            kernels: vb.kernels(),
        })
    }

    fn forward(
        &self,
        index: usize,
        x: &Tensor,
        positions: &Positions,
        layers: &mut Layers<'_>,
    ) -> crate::Result<Tensor> {
        let table = self.modulation.get(index)?;
        let row = |i| table.get(i);
        let h = modulated_norm(x, &row(0)?, &row(1)?, self.kernels)?;
        let [q, k, v] = Linear::forward_three([&self.query, &self.key, &self.value], &h)?;
        let h = attention(&q, &k, &v, self.heads, positions)?;
        let attended = self.attended.forward(&h)?;
        layers.record("attention", &attended)?;
        let x = add_gated(x, &attended, &row(2)?, self.kernels)?;
        let h = modulated_norm(&x, &row(3)?, &row(4)?, self.kernels)?;
        let h = self.contract.forward(&self.expand.forward_gelu(&h)?)?;
        Ok(add_gated(&x, &h, &row(5)?, self.kernels)?)
    }
}
