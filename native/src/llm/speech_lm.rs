use std::path::Path;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use packed_linear::PackedLinear;

use super::bistream::Bistream;
use super::decode::{Decoding, Generation};
use super::prompt::{InputId, LmPrompt};
use super::qwen2::{KvCache, Qwen2};
use super::step::{PackedLayers, Position};
use super::together::{self, Together};
use super::{LmConfig, QwenConfig, Sampler, Steps};
use crate::ops::{Embedding, Linear};
use crate::precision::Precision;
use crate::stage::Stage;
use crate::tap::{Layers, Tap};
use crate::weights::{Builder, Weights};
use crate::{Error, Result, finite};

/// Weights of more bytes are in no processor's cache: reading them for several segments at once is
/// faster. Smaller models are faster segment by segment, each on a core of its own.
const LARGE: u64 = 64 << 20;

/// The speech language model: a Qwen2 body that reads text and speech tokens, and predicts the
/// next speech token. 25 tokens are one second of speech.
#[derive(Clone, Debug)]
pub struct SpeechLm {
    body: Qwen2,
    speech_embedding: Embedding,
    llm_decoder: Linear,
    config: LmConfig,
    /// Where segments that are decoded at the same time meet, if they share the reading of the
    /// weights.
    together: Option<Arc<Together<Position, Vec<f32>>>>,
}

impl SpeechLm {
    /// Loads the model from a weight file.
    ///
    /// Every tensor of the file must be one that the model has, in its shape. Two exceptions that
    /// the network does not use: the body's own output layer, tied to its embedding, and a
    /// speaker projection that the weights after reinforcement learning still carry.
    ///
    /// # Errors
    /// If the file cannot be read, or its tensors are not those of a model of these sizes.
    pub fn load(
        config: &LmConfig,
        qwen: &QwenConfig,
        weights: &Path,
        device: &Device,
        precision: Precision,
    ) -> Result<Self> {
        Self::from_weights(config, qwen, Weights::open(weights)?, device, precision)
    }

    /// Like [`SpeechLm::load`], from weights that are already open.
    ///
    /// # Errors
    /// If the tensors are not those of a model of these sizes.
    pub fn from_weights(
        config: &LmConfig,
        qwen: &QwenConfig,
        weights: Weights,
        device: &Device,
        precision: Precision,
    ) -> Result<Self> {
        let lm = Self::new(config, qwen, weights.builder(precision, device));
        weights.finish(lm, |name| {
            name == "llm.model.lm_head.weight" || name.starts_with("spk_embed_affine_layer.")
        })
    }

    /// Builds the model from tensors that are named as in the reference's checkpoint.
    ///
    /// # Errors
    /// If a tensor is missing or has another shape.
    pub fn new(config: &LmConfig, qwen: &QwenConfig, vb: Builder) -> candle_core::Result<Self> {
        let (vocabulary, hidden) = (config.vocabulary(), qwen.hidden_size);
        let lm = Self {
            body: Qwen2::new(qwen, vb.pp("llm.model.model"))?,
            speech_embedding: Embedding::load(vocabulary, hidden, vb.pp("speech_embedding"))?,
            llm_decoder: Linear::load_no_bias(hidden, vocabulary, vb.pp("llm_decoder").finer())?,
            config: config.clone(),
            together: None,
        };
        let large = lm.bytes_per_token() > LARGE;
        Ok(lm.decoding_together(large))
    }

    /// Whether segments that are decoded at the same time share the reading of the weights, which
    /// changes none of their tokens. By default they do where that is faster: with weights that are
    /// too large for the caches. Only steps on the CPU are shared.
    #[must_use]
    pub fn decoding_together(self, together: bool) -> Self {
        Self {
            together: together.then(Arc::default),
            ..self
        }
    }

    /// The model's sizes.
    pub fn config(&self) -> &LmConfig {
        &self.config
    }

    /// Bytes of weights that are read for each token, which bounds how fast tokens can be decoded.
    pub fn bytes_per_token(&self) -> u64 {
        self.body.bytes_per_position() + self.llm_decoder.bytes()
    }

    /// Samples speech tokens until the speech ends. The tap is handed `llm.tokens`.
    ///
    /// # Errors
    /// If the prompt is not one that the model can continue, a step fails, or the tap does.
    pub fn generate(
        &self,
        prompt: &LmPrompt,
        sampler: &mut Sampler,
        tap: &mut dyn Tap,
    ) -> Result<Generation> {
        let mut decoding = self.decode(prompt, sampler)?;
        for token in &mut decoding {
            token?;
        }
        let generation = decoding.finish();
        let tokens = Tensor::new(generation.tokens.as_slice(), &Device::Cpu)?;
        tap.stage(Stage::LlmTokens, &tokens)?;
        Ok(generation)
    }

    /// Like [`SpeechLm::generate`], one token at a time.
    ///
    /// # Errors
    /// If the prompt is not one that the model can continue.
    pub fn decode<'a>(
        &'a self,
        prompt: &LmPrompt,
        sampler: &'a mut Sampler,
    ) -> Result<Decoding<'a>> {
        self.check(prompt)?;
        Ok(Decoding::new(self, prompt, sampler))
    }

    /// The logits of a segment, token by token, for a sampler of the caller's own.
    ///
    /// # Errors
    /// If the prompt is not one that the model can continue.
    pub fn steps(&self, prompt: &LmPrompt) -> Result<Steps<'_>> {
        self.check(prompt)?;
        Ok(Steps::new(self, prompt, prompt.max_len()))
    }

    /// Checks, without computing anything, whether the model can continue a prompt.
    ///
    /// # Errors
    /// If the prompt is not one that the model can continue.
    pub fn check(&self, prompt: &LmPrompt) -> Result<()> {
        prompt.check(&self.config, self.body.config())
    }

    /// Samples speech tokens while the text still streams in, in chunks of ids.
    ///
    /// The prompt's text must contain `<|endofprompt|>`. As in the reference, speech may begin
    /// before the first chunk arrives, and the result depends on the size of the chunks (the
    /// reference's frontend hands over one id at a time). A chunk that is an error ends the speech
    /// with that error.
    ///
    /// # Errors
    /// If the prompt's text has no `<|endofprompt|>`, or an id is outside its vocabulary.
    pub fn decode_bistream<'a, I>(
        &'a self,
        prompt_text_ids: &[u32],
        prompt_speech_tokens: &[u32],
        text: I,
        sampler: &'a mut Sampler,
    ) -> Result<Bistream<'a>>
    where
        I: IntoIterator<Item = Result<Vec<u32>>>,
        I::IntoIter: 'a,
    {
        Bistream::new(
            self,
            prompt_text_ids,
            prompt_speech_tokens,
            Box::new(text.into_iter()),
            sampler,
        )
    }

    /// Logits, [tokens + 1, vocabulary], float32, of every next token if `tokens` were the ones
    /// sampled. The layers of `llm.logits` are handed to `tap`, for all positions: `embedding`, for
    /// every layer from `layer.00` on `attention.q_rotary`, `attention.k_rotary`, `attention.v`,
    /// `attention`, `mlp` and `output`, and `norm`.
    ///
    /// # Errors
    /// If the prompt or a token is not one that the model can continue, or the tap fails.
    pub fn teacher_forced_logits(
        &self,
        prompt: &LmPrompt,
        tokens: &[u32],
        tap: &mut dyn Tap,
    ) -> Result<Tensor> {
        self.check(prompt)?;
        if let Some(token) = tokens
            .iter()
            .find(|&&t| t as usize >= self.config.vocabulary())
        {
            return Err(Error::input(format!(
                "speech token {token} is outside of the model's vocabulary of {}",
                self.config.vocabulary()
            )));
        }
        let mut input = prompt.input(&self.config);
        let first = input.len() - 1;
        input.extend(tokens.iter().map(|&t| InputId::Speech(t)));
        let embeddings = self.embed(&input)?;
        let mut layers = Layers::of(tap, Stage::LlmLogits);
        layers.record("embedding", &embeddings)?;
        let mut cache = self.body.cache(input.len());
        let hidden = self.body.forward(&embeddings, &mut cache, &mut layers)?;
        layers.record("norm", &hidden)?;
        let rows = hidden.narrow(0, first, tokens.len() + 1)?;
        Ok(self.llm_decoder.forward(&rows)?.to_dtype(DType::F32)?)
    }

    pub(super) fn body(&self) -> &Qwen2 {
        &self.body
    }

    /// Whether the model has positions left for `input` after those that the cache has.
    pub(super) fn has_room(&self, cache: &KvCache, input: &[InputId]) -> bool {
        cache.len() + input.len() <= self.body.config().max_position_embeddings
    }

    /// Feeds some positions after those that the cache has, and returns the logits after the last
    /// one, on the CPU. `fed` is everything that was fed so far; the new positions are added to it.
    ///
    /// # Errors
    /// If a step fails, or a logit is not finite.
    pub(super) fn next_logits(
        &self,
        input: &[InputId],
        cache: &mut KvCache,
        fed: &mut Vec<InputId>,
    ) -> Result<Vec<f32>> {
        fed.extend(input);
        let packed = self.body.packed().zip(self.llm_decoder.packed());
        let logits = match (packed, input) {
            (Some((body, head)), [one]) => {
                let logits = self.logits_after_one(*one, cache, body, head)?;
                Tensor::new(logits, &Device::Cpu)?
            }
            _ => self.logits_after(input, cache, &mut Layers::ignored())?,
        };
        finite::check(Stage::LlmLogits, &logits, |search| {
            let mut cache = self.body.cache(fed.len());
            let mut layers = Layers::of(search, Stage::LlmLogits);
            self.logits_after(fed, &mut cache, &mut layers).map(drop)
        })?;
        Ok(logits.to_vec1()?)
    }

    /// The logits after one more position. It is computed with those of other segments that come at
    /// the same time, which changes none of them.
    fn logits_after_one(
        &self,
        input: InputId,
        cache: &mut KvCache,
        body: &PackedLayers,
        head: &PackedLinear,
    ) -> Result<Vec<f32>> {
        let position = Position {
            embedding: self.embed(&[input])?.flatten_all()?.to_vec1()?,
            cache: std::mem::take(cache),
        };
        let step = |positions: &mut [Position]| {
            let hidden = self.body.step(body, positions)?;
            let [logits] = PackedLinear::run_rows_apart([head], &hidden);
            let rows = logits.chunks_exact(head.outputs());
            Ok(rows.map(<[f32]>::to_vec).collect())
        };
        let (position, logits) = match &self.together {
            Some(together) => together.run(position, step),
            None => together::alone(position, step),
        };
        *cache = position.cache;
        let logits = logits?;
        cache.advance(1);
        Ok(logits)
    }

    fn logits_after(
        &self,
        input: &[InputId],
        cache: &mut KvCache,
        layers: &mut Layers<'_>,
    ) -> Result<Tensor> {
        let embeddings = self.embed(input)?;
        layers.record("embedding", &embeddings)?;
        let hidden = self.body.forward(&embeddings, cache, layers)?;
        layers.record("norm", &hidden)?;
        let last = hidden.narrow(0, hidden.dim(0)? - 1, 1)?;
        let logits = self.llm_decoder.forward(&last)?.squeeze(0)?;
        Ok(logits.to_dtype(DType::F32)?.to_device(&Device::Cpu)?)
    }

    /// Embeddings, [positions, hidden].
    fn embed(&self, input: &[InputId]) -> Result<Tensor> {
        let device = self.llm_decoder.device();
        let mut parts = Vec::new();
        for run in input.chunk_by(|a, b| a.is_text() == b.is_text()) {
            let ids: Vec<u32> = run.iter().map(|id| id.id()).collect();
            let ids = Tensor::new(ids, device)?;
            parts.push(match run[0] {
                InputId::Text(_) => self.body.embed(&ids)?,
                InputId::Speech(_) => self.speech_embedding.forward(&ids)?,
            });
        }
        Ok(Tensor::cat(&parts, 0)?)
    }
}
