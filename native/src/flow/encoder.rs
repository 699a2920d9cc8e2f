use candle_core::{D, Result, Tensor};
use candle_nn::ops::leaky_relu;

use crate::Portion;
use crate::flow::FlowConfig;
use crate::ops::{Conv1d, Linear};
use crate::weights::Builder;

/// Kernel of the second convolution of the lookahead layer.
const BACKWARD_KERNEL: usize = 3;
const LEAKY_RELU_SLOPE: f64 = 0.01;
/// Lower bound of the norm that a speaker embedding is divided by (torch's `normalize`).
const NORM_FLOOR: f64 = 1e-12;

/// Speech tokens to the conditioning `mu`, and the speaker embedding to mel width.
pub(super) struct Encoder {
    embedding: Tensor,
    /// Sees the token and `lookahead` tokens after it.
    forward: Conv1d,
    /// Sees the frame and two before it.
    backward: Conv1d,
    speaker: Linear,
    ratio: usize,
}

impl Encoder {
    pub(super) fn new(config: &FlowConfig, vb: Builder) -> Result<Self> {
        let layer = vb.pp("pre_lookahead_layer");
        let width = config.input_size;
        let inner = config.pre_lookahead_channels;
        Ok(Self {
            embedding: vb.get((config.vocab_size, width), "input_embedding.weight")?,
            forward: Conv1d::load(
                width,
                inner,
                config.pre_lookahead_len + 1,
                1,
                layer.pp("conv1"),
            )?,
            backward: Conv1d::load(inner, width, BACKWARD_KERNEL, 1, layer.pp("conv2"))?,
            speaker: Linear::load(
                config.spk_embed_dim,
                config.output_size,
                vb.pp("spk_embed_affine_layer").unrounded(),
            )?,
            ratio: config.token_mel_ratio,
        })
    }

    /// [tokens] to `mu`, [frames, channels]. Of a partial input, the last `lookahead` tokens are
    /// context only and give no frames.
    pub(super) fn mu(&self, tokens: &Tensor, portion: Portion) -> Result<Tensor> {
        let embedded = self.embedding.index_select(tokens, 0)?;
        let x = embedded.t()?.unsqueeze(0)?;
        let lookahead = self.forward.context();
        let right = lookahead - portion.withheld(lookahead);
        let h = leaky_relu(&self.forward.forward(&x, 0, right)?, LEAKY_RELU_SLOPE)?;
        let h = self.backward.causal(&h)?.squeeze(0)?.t()?;
        let h = (h + embedded.narrow(0, 0, embedded.dim(0)? - lookahead + right)?)?;
        let (tokens, channels) = h.dims2()?;
        h.unsqueeze(1)?
            .broadcast_as((tokens, self.ratio, channels))?
            .reshape((tokens * self.ratio, channels))
    }

    /// The speaker embedding, [speaker width], at unit length and projected to mel width.
    pub(super) fn speaker(&self, embedding: &Tensor) -> Result<Tensor> {
        let norm = embedding
            .sqr()?
            .sum_keepdim(D::Minus1)?
            .sqrt()?
            .maximum(NORM_FLOOR)?;
        self.speaker
            .forward(&embedding.broadcast_div(&norm)?.unsqueeze(0)?)?
            .squeeze(0)
    }
}
