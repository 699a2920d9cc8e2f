use serde::{Deserialize, Serialize};

/// The `flow` section of `cosyvoice3.yaml`: speech tokens in, log-mel spectrogram out.
///
/// It is read from the section as it stands in the file (references resolved, tags dropped), and
/// reading it fails for anything but what [`crate::flow`] computes: another solver, time grid,
/// number of left chunks, or a lookahead that the two places naming it disagree about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "yaml::Flow")]
pub struct FlowConfig {
    /// Width of the speech-token embedding.
    pub input_size: usize,
    /// Mel channels.
    pub output_size: usize,
    /// Width of the speaker embedding before its projection.
    pub spk_embed_dim: usize,
    /// Speech tokens in the embedding table.
    pub vocab_size: usize,
    /// Mel frames per speech token.
    pub token_mel_ratio: usize,
    /// Speech tokens of future context that the encoder needs.
    pub pre_lookahead_len: usize,
    /// Channels between the two convolutions of the lookahead layer.
    pub pre_lookahead_channels: usize,
    /// Weight of classifier-free guidance.
    pub inference_cfg_rate: f64,
    /// Euler steps of one synthesis, by the model's family.
    pub steps: usize,
    /// The diffusion transformer that estimates the velocity.
    pub estimator: DitConfig,
}

/// The `flow.decoder.estimator` section of `cosyvoice3.yaml`: the diffusion transformer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DitConfig {
    /// Width of the residual stream.
    pub dim: usize,
    /// Transformer blocks.
    pub depth: usize,
    /// Attention heads.
    pub heads: usize,
    /// Width of one attention head.
    pub dim_head: usize,
    /// The feed-forward's inner width, as a multiple of `dim`.
    pub ff_mult: usize,
    /// Channels of the noisy mel and of the prompt's mel.
    pub mel_dim: usize,
    /// Channels of the encoded speech tokens.
    pub mu_dim: usize,
    /// Channels of the projected speaker embedding.
    pub spk_dim: usize,
    /// Channels of the velocity.
    pub out_channels: usize,
    /// Mel frames of one chunk of the streaming attention mask.
    pub static_chunk_size: usize,
}

mod yaml {
    use serde::Deserialize;

    use super::{DitConfig, FlowConfig};
    use crate::family::Family;

    #[derive(Deserialize)]
    pub(super) struct Flow {
        input_size: usize,
        output_size: usize,
        spk_embed_dim: usize,
        vocab_size: usize,
        token_mel_ratio: usize,
        pre_lookahead_len: usize,
        pre_lookahead_layer: PreLookaheadLayer,
        decoder: Decoder,
    }

    #[derive(Deserialize)]
    struct PreLookaheadLayer {
        in_channels: usize,
        channels: usize,
        pre_lookahead_len: usize,
    }

    #[derive(Deserialize)]
    struct Decoder {
        cfm_params: CfmParams,
        estimator: Estimator,
    }

    #[derive(Deserialize)]
    struct CfmParams {
        content: CfmContent,
    }

    #[derive(Deserialize)]
    struct CfmContent {
        solver: String,
        t_scheduler: String,
        inference_cfg_rate: f64,
    }

    #[derive(Deserialize)]
    struct Estimator {
        dim: usize,
        depth: usize,
        heads: usize,
        dim_head: usize,
        ff_mult: usize,
        mel_dim: usize,
        mu_dim: usize,
        spk_dim: usize,
        out_channels: usize,
        static_chunk_size: usize,
        num_decoding_left_chunks: i64,
        #[serde(default)]
        long_skip_connection: bool,
    }

    impl TryFrom<Flow> for FlowConfig {
        type Error = String;

        fn try_from(flow: Flow) -> Result<Self, String> {
            let layer = flow.pre_lookahead_layer;
            let cfm = flow.decoder.cfm_params.content;
            let dit = flow.decoder.estimator;
            require(cfm.solver == "euler", "solver", &cfm.solver, "euler")?;
            require(
                cfm.t_scheduler == "cosine",
                "t_scheduler",
                &cfm.t_scheduler,
                "cosine",
            )?;
            require(
                dit.num_decoding_left_chunks < 0,
                "num_decoding_left_chunks",
                dit.num_decoding_left_chunks,
                "-1 (all of them)",
            )?;
            require(
                !dit.long_skip_connection,
                "long_skip_connection",
                true,
                "false",
            )?;
            require(
                layer.pre_lookahead_len == flow.pre_lookahead_len,
                "pre_lookahead_layer.pre_lookahead_len",
                layer.pre_lookahead_len,
                flow.pre_lookahead_len,
            )?;
            require(
                layer.in_channels == flow.input_size,
                "pre_lookahead_layer.in_channels",
                layer.in_channels,
                flow.input_size,
            )?;
            Ok(Self {
                input_size: flow.input_size,
                output_size: flow.output_size,
                spk_embed_dim: flow.spk_embed_dim,
                vocab_size: flow.vocab_size,
                token_mel_ratio: flow.token_mel_ratio,
                pre_lookahead_len: flow.pre_lookahead_len,
                pre_lookahead_channels: layer.channels,
                inference_cfg_rate: cfm.inference_cfg_rate,
                steps: Family::ALL[0].flow_steps,
                estimator: DitConfig {
                    dim: dit.dim,
                    depth: dit.depth,
                    heads: dit.heads,
                    dim_head: dit.dim_head,
                    ff_mult: dit.ff_mult,
                    mel_dim: dit.mel_dim,
                    mu_dim: dit.mu_dim,
                    spk_dim: dit.spk_dim,
                    out_channels: dit.out_channels,
                    static_chunk_size: dit.static_chunk_size,
                },
            })
        }
    }

    fn require(
        holds: bool,
        key: &str,
        found: impl std::fmt::Display,
        wanted: impl std::fmt::Display,
    ) -> Result<(), String> {
        if holds {
            Ok(())
        } else {
            Err(format!("`{key}` is {found}; only {wanted} is supported"))
        }
    }
}
