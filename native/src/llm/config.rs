use serde::{Deserialize, Serialize};

use crate::family::{EndOfPrompt, Marks};

/// The `llm` section of `cosyvoice3.yaml`: the speech language model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LmConfig {
    /// Width of the body's input.
    pub llm_input_size: usize,
    /// Width of the body's output.
    pub llm_output_size: usize,
    /// Speech tokens proper; the ids from here on are the model's own marks, see
    /// [`LmConfig::start_of_sequence`] and the following.
    pub speech_token_size: usize,
    /// Text tokens and speech tokens of one turn where text streams in.
    pub mix_ratio: [usize; 2],
    /// How a token is drawn from the logits.
    pub sampling: SamplingConfig,
    /// The ids after the speech tokens, by the model's family.
    #[serde(skip)]
    pub marks: Marks,
    /// What ends the instruction before a text, by the model's family.
    #[serde(skip)]
    pub end_of_prompt: EndOfPrompt,
    /// Speech tokens that sound as silence, by the model's family.
    #[serde(skip)]
    pub silent_tokens: &'static [u32],
}

impl LmConfig {
    /// Rows of the speech embedding and of the decoder.
    pub fn vocabulary(&self) -> usize {
        self.speech_token_size + self.marks.count
    }

    /// The mark that begins a sequence. It is also the one id that cannot be sampled before the
    /// minimum length; every other mark can end the speech before it.
    pub fn start_of_sequence(&self) -> u32 {
        self.mark(self.marks.start_of_sequence)
    }

    /// The mark that ends the speech.
    pub fn end_of_speech(&self) -> u32 {
        self.mark(self.marks.end_of_speech)
    }

    /// The mark between text and speech.
    pub fn task(&self) -> u32 {
        self.mark(self.marks.task)
    }

    /// The mark with which the model requests more text where text arrives in pieces.
    pub fn fill(&self) -> u32 {
        self.mark(self.marks.fill)
    }

    fn mark(&self, offset: u32) -> u32 {
        self.speech_token_size as u32 + offset
    }
}

/// The `llm.sampling` section of `cosyvoice3.yaml`: repetition-aware sampling.
///
/// A key that is not there has the value of the reference's function signature.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SamplingConfig {
    /// The nucleus takes tokens in descending probability until their sum reaches this.
    pub top_p: f64,
    /// The nucleus has at most this many tokens.
    pub top_k: usize,
    /// Number of most recent tokens in which repetitions are counted.
    pub win_size: usize,
    /// The share of that window at and above which a token counts as repeated.
    pub tau_r: f64,
}

impl SamplingConfig {
    /// Whether `token` occurs too often among the last of `history` to be drawn once more.
    pub fn is_repeated(&self, token: u32, history: &[u32]) -> bool {
        // A window of 0 is the whole history in the reference (a Python slice from -0).
        let window = match self.win_size {
            0 => history,
            n => &history[history.len().saturating_sub(n)..],
        };
        let count = window.iter().filter(|&&t| t == token).count();
        count as f64 >= self.win_size as f64 * self.tau_r
    }
}

impl Default for SamplingConfig {
    fn default() -> Self {
        Self {
            top_p: 0.8,
            top_k: 25,
            win_size: 10,
            tau_r: 0.1,
        }
    }
}

/// `CosyVoice-BlankEN/config.json`: the body of the language model, a Qwen2.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "json::Qwen2")]
pub struct QwenConfig {
    /// Rows of the text embedding.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Inner width of the feed-forward.
    pub intermediate_size: usize,
    /// Decoder layers.
    pub num_hidden_layers: usize,
    /// Heads of the queries.
    pub num_attention_heads: usize,
    /// Heads of the keys and values, each shared by a group of query heads.
    pub num_key_value_heads: usize,
    /// Longest sequence, in positions.
    pub max_position_embeddings: usize,
    /// Base of the rotary embedding's wavelengths.
    pub rope_theta: f64,
    /// Added to the mean square in the norms.
    pub rms_norm_eps: f64,
}

impl QwenConfig {
    /// Width of one attention head.
    pub fn head_dim(&self) -> usize {
        self.hidden_size / self.num_attention_heads
    }
}

mod json {
    use serde::Deserialize;

    use super::QwenConfig;

    #[derive(Deserialize)]
    pub(super) struct Qwen2 {
        model_type: String,
        hidden_act: String,
        vocab_size: usize,
        hidden_size: usize,
        intermediate_size: usize,
        num_hidden_layers: usize,
        num_attention_heads: usize,
        num_key_value_heads: usize,
        max_position_embeddings: usize,
        rope_theta: f64,
        rms_norm_eps: f64,
        #[serde(default)]
        rope_scaling: Option<serde_json::Value>,
        #[serde(default)]
        use_sliding_window: bool,
    }

    impl TryFrom<Qwen2> for QwenConfig {
        type Error = String;

        fn try_from(c: Qwen2) -> Result<Self, String> {
            if c.model_type != "qwen2" {
                return Err(format!("`model_type` is {}, not qwen2", c.model_type));
            }
            if c.hidden_act != "silu" {
                return Err(format!("`hidden_act` is {}, not silu", c.hidden_act));
            }
            if c.rope_scaling.is_some() || c.use_sliding_window {
                return Err("rope scaling and sliding windows are not supported".to_owned());
            }
            let (heads, kv_heads) = (c.num_attention_heads, c.num_key_value_heads);
            if heads == 0
                || kv_heads == 0
                || !heads.is_multiple_of(kv_heads)
                || !c.hidden_size.is_multiple_of(2 * heads)
            {
                return Err(format!(
                    "a hidden size of {}, {heads} heads and {kv_heads} key-value heads do not fit together",
                    c.hidden_size
                ));
            }
            Ok(Self {
                vocab_size: c.vocab_size,
                hidden_size: c.hidden_size,
                intermediate_size: c.intermediate_size,
                num_hidden_layers: c.num_hidden_layers,
                num_attention_heads: heads,
                num_key_value_heads: kv_heads,
                max_position_embeddings: c.max_position_embeddings,
                rope_theta: c.rope_theta,
                rms_norm_eps: c.rms_norm_eps,
            })
        }
    }
}
