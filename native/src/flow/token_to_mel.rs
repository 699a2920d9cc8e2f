use std::path::Path;
use std::sync::OnceLock;

use candle_core::{DType, Device, Tensor};

use crate::flow::dit::Dit;
use crate::flow::encoder::Encoder;
use crate::flow::time::{TimeStep, time_grid};
use crate::flow::{DitConfig, FlowConfig};
use crate::kernels::Kernels;
use crate::noise::{FLOW_CHANNELS, FLOW_FRAMES, flow_noise};
use crate::ops::Positions;
use crate::precision::Precision;
use crate::stage::Stage;
use crate::tap::{Layers, Tap};
use crate::weights::{Builder, Weights};
use crate::{Error, Portion, Result, finite};

/// The flow-matching model: speech tokens and a voice in, log-mel spectrogram out
/// (reference: `CausalMaskedDiffWithDiT`, `CausalConditionalCFM`).
pub struct Flow {
    encoder: Encoder,
    estimator: Dit,
    config: FlowConfig,
    grid: Vec<TimeStep>,
    device: Device,
    dtype: DType,
    precision: Precision,
    kernels: Kernels,
    noise: OnceLock<Tensor>,
}

/// What [`Flow::inference`] takes.
#[derive(Clone, Debug)]
pub struct FlowInput<'a> {
    /// Speech tokens to be spoken.
    pub tokens: &'a [u32],
    /// Speech tokens of the prompt.
    pub prompt_tokens: &'a [u32],
    /// Log-mel spectrogram of the prompt, [frames, 80].
    pub prompt_mel: &'a Tensor,
    /// Speaker embedding as the speaker network gives it, `[192]`.
    pub embedding: &'a Tensor,
    /// Whether more tokens follow.
    pub portion: Portion,
}

/// What stays the same through all Euler steps of a synthesis.
pub struct Conditioning {
    /// Prompt mel, mu and speaker of every frame, and zeros for the unguided half,
    /// [2, frames, channels].
    features: Tensor,
    positions: Positions,
    frames: usize,
}

impl Conditioning {
    /// Mel frames, those of the prompt included.
    pub fn frames(&self) -> usize {
        self.frames
    }
}

impl Flow {
    /// Reads `flow.pt` (or the same tensors as `.safetensors`).
    ///
    /// # Errors
    /// If the file cannot be read, or its tensors are not those of a model of these sizes.
    pub fn load(
        config: &FlowConfig,
        weights: &Path,
        device: &Device,
        precision: Precision,
    ) -> Result<Self> {
        Self::from_weights(config, Weights::open(weights)?, device, precision)
    }

    /// Like [`Flow::load`], from weights that are already open.
    ///
    /// # Errors
    /// If the tensors are not those of a model of these sizes.
    pub fn from_weights(
        config: &FlowConfig,
        weights: Weights,
        device: &Device,
        precision: Precision,
    ) -> Result<Self> {
        let network = Self::new(config, weights.builder(precision, device));
        weights.finish(network, |_| false)
    }

    /// Builds the networks from the tensors of `vb`.
    ///
    /// # Errors
    /// If the sizes cannot be computed with, or a tensor is missing or has another shape.
    pub fn new(config: &FlowConfig, vb: Builder) -> candle_core::Result<Self> {
        check(config)?;
        Ok(Self {
            encoder: Encoder::new(config, vb.clone())?,
            estimator: Dit::new(&config.estimator, config.steps, vb.pp("decoder.estimator"))?,
            grid: time_grid(config.steps),
            config: config.clone(),
            device: vb.device().clone(),
            dtype: vb.dtype(),
            precision: vb.precision(),
            kernels: vb.kernels(),
            noise: OnceLock::new(),
        })
    }

    /// Projects the speaker embedding `[192]` to what the network is conditioned on, `[80]`.
    ///
    /// # Errors
    /// If the embedding has another shape.
    pub fn speaker(&self, embedding: &Tensor) -> Result<Tensor> {
        let width = self.config.spk_embed_dim;
        if embedding.dims() != [width] {
            return Err(Error::input(format!(
                "the speaker embedding has shape {:?}, the flow wants [{width}]",
                embedding.dims()
            )));
        }
        Ok(self
            .encoder
            .speaker(&self.bring(embedding)?)?
            .to_dtype(DType::F32)?)
    }

    /// Encodes speech tokens, those of the prompt first: `mu`, [80, frames].
    ///
    /// Every token gives two frames. Of a partial input, the last three tokens are context only and
    /// give none.
    ///
    /// # Errors
    /// If a token is outside the vocabulary, or there are too few or too many.
    pub fn mu(&self, tokens: &[u32], portion: Portion) -> Result<Tensor> {
        if let Some(bad) = tokens
            .iter()
            .find(|&&t| t as usize >= self.config.vocab_size)
        {
            return Err(Error::input(format!(
                "speech token {bad} is outside the flow's vocabulary of {}",
                self.config.vocab_size
            )));
        }
        let context = portion.withheld(self.config.pre_lookahead_len);
        if tokens.len() <= context {
            return Err(Error::input(format!(
                "{} speech token(s) give no sound: more than {context} are needed",
                tokens.len()
            )));
        }
        self.check_frames((tokens.len() - context) * self.config.token_mel_ratio)?;
        let tokens = Tensor::new(tokens, &self.device)?;
        let mu = self.encoder.mu(&tokens, portion)?;
        Ok(mu.t()?.contiguous()?.to_dtype(DType::F32)?)
    }

    /// Gathers what the solver is conditioned on: `mu` [80, frames], the projected `speaker` `[80]`
    /// and the prompt's mel [prompt frames, 80], which covers the first frames.
    ///
    /// # Errors
    /// If the shapes do not match, or the prompt is longer than `mu`.
    pub fn condition(
        &self,
        mu: &Tensor,
        speaker: &Tensor,
        prompt_mel: &Tensor,
        portion: Portion,
    ) -> Result<Conditioning> {
        let &DitConfig {
            mel_dim,
            mu_dim,
            spk_dim,
            static_chunk_size,
            ..
        } = &self.config.estimator;
        let (mu_channels, frames) = mu.dims2()?;
        let (prompt_frames, prompt_channels) = prompt_mel.dims2()?;
        if mu_channels != mu_dim || speaker.dims() != [spk_dim] || prompt_channels != mel_dim {
            return Err(Error::input(format!(
                "mu {:?}, speaker {:?} and prompt mel {:?} do not fit: the flow wants \
                 [{mu_dim}, frames], [{spk_dim}] and [frames, {mel_dim}]",
                mu.dims(),
                speaker.dims(),
                prompt_mel.dims()
            )));
        }
        self.check_frames(frames)?;
        if prompt_frames > frames {
            return Err(Error::input(format!(
                "the prompt's mel has {prompt_frames} frames, more than the {frames} that all \
                 speech tokens together give"
            )));
        }
        let prompt = self
            .bring(prompt_mel)?
            .pad_with_zeros(0, 0, frames - prompt_frames)?;
        let mu = self.bring(mu)?.t()?;
        let speaker = self
            .bring(speaker)?
            .unsqueeze(0)?
            .broadcast_as((frames, spk_dim))?;
        let guided = Tensor::cat(&[prompt, mu, speaker.contiguous()?], 1)?;
        let positions = Positions::new(
            self.estimator.inverse_frequencies(),
            frames,
            (portion == Portion::Partial).then_some(static_chunk_size),
            self.dtype,
            &self.device,
            self.kernels,
        )?
        .in_precision(self.precision);
        Ok(Conditioning {
            features: Tensor::stack(&[&guided, &guided.zeros_like()?], 0)?,
            positions,
            frames,
        })
    }

    /// The solver's starting point, [80, frames]: the first frames of a noise that is the same
    /// for every synthesis.
    ///
    /// # Errors
    /// If there are more frames than the reference's noise has.
    pub fn noise(&self, frames: usize) -> Result<Tensor> {
        self.check_frames(frames)?;
        let noise = match self.noise.get() {
            Some(noise) => noise,
            None => {
                let shape = (FLOW_CHANNELS, FLOW_FRAMES);
                let noise = Tensor::from_vec(flow_noise(), shape, &Device::Cpu)?;
                self.noise.get_or_init(|| noise)
            }
        };
        Ok(noise
            .narrow(1, 0, frames)?
            .to_device(&self.device)?
            .contiguous()?)
    }

    /// Euler steps of one synthesis.
    pub fn steps(&self) -> usize {
        self.grid.len()
    }

    /// Operations that the linear layers need to solve so many frames, those of the prompt included:
    /// two for each multiply-add, for both halves of the guidance, in every step.
    pub fn operations(&self, frames: usize) -> u64 {
        4 * frames as u64 * self.steps() as u64 * self.estimator.operations_per_frame()
    }

    /// One Euler step, `number` counted from 1: from `x` [80, frames] to the next state. The layers
    /// of the step are handed to `tap`.
    ///
    /// # Errors
    /// If there is no such step, or `x` has other frames than its conditioning.
    pub fn step(
        &self,
        number: u8,
        x: &Tensor,
        conditioning: &Conditioning,
        tap: &mut dyn Tap,
    ) -> Result<Tensor> {
        let index = usize::from(number).checked_sub(1);
        let Some((index, step)) = index.and_then(|i| Some((i, self.grid.get(i)?))) else {
            return Err(Error::input(format!(
                "there is no Euler step {number}: the steps are 1 to {}",
                self.steps()
            )));
        };
        let (_, frames) = x.dims2()?;
        if frames != conditioning.frames {
            return Err(Error::input(format!(
                "x has {frames} frames, its conditioning {}",
                conditioning.frames
            )));
        }
        let noisy = self.bring(x)?.t()?.unsqueeze(0)?;
        let noisy = noisy.broadcast_as((2, frames, noisy.dim(2)?))?;
        let input = Tensor::cat(&[&noisy.contiguous()?, &conditioning.features], 2)?;
        let mut layers = Layers::of(tap, Stage::FlowStep(number));
        let positions = &conditioning.positions;
        let velocity = self
            .estimator
            .forward(index, &input, positions, &mut layers)?;
        let velocity = velocity.to_dtype(DType::F32)?.transpose(1, 2)?;
        let (guided, unguided) = (velocity.get(0)?, velocity.get(1)?);
        let rate = self.config.inference_cfg_rate;
        let velocity = ((guided * (1.0 + rate))? - (unguided * rate)?)?;
        layers.record("velocity", &velocity)?;
        Ok((x + (velocity * f64::from(step.dt))?)?)
    }

    /// Solves the flow from the noise to the mel, [80, frames], handing out every step.
    ///
    /// # Errors
    /// If the tap fails.
    pub fn solve(&self, conditioning: &Conditioning, tap: &mut dyn Tap) -> Result<Tensor> {
        let mut x = self.noise(conditioning.frames)?;
        for (number, _) in (1..).zip(&self.grid) {
            x = self.step(number, &x, conditioning, tap)?;
            tap.stage(Stage::FlowStep(number), &x)?;
        }
        Ok(x)
    }

    /// Everything from tokens to mel: the log-mel spectrogram of the speech without its prompt,
    /// [80, frames].
    /// Hands out `flow.mu`, the steps, and `flow.mel`.
    ///
    /// # Errors
    /// If the input's parts do not fit the model or each other, the mel has values that are not
    /// finite, or the tap fails.
    pub fn inference(&self, input: &FlowInput<'_>, tap: &mut dyn Tap) -> Result<Tensor> {
        let mel = self.infer(input, tap)?;
        finite::check(Stage::FlowMel, &mel, |search| {
            self.infer(input, search).map(drop)
        })?;
        Ok(mel)
    }

    fn infer(&self, input: &FlowInput<'_>, tap: &mut dyn Tap) -> Result<Tensor> {
        let tokens = [input.prompt_tokens, input.tokens].concat();
        let mu = self.mu(&tokens, input.portion)?;
        tap.stage(Stage::FlowMu, &mu)?;
        let speaker = self.speaker(input.embedding)?;
        let conditioning = self.condition(&mu, &speaker, input.prompt_mel, input.portion)?;
        let mel = self.solve(&conditioning, tap)?;
        let prompt = input.prompt_mel.dim(0)?;
        let mel = mel
            .narrow(1, prompt, conditioning.frames - prompt)?
            .contiguous()?;
        tap.stage(Stage::FlowMel, &mel)?;
        Ok(mel)
    }

    fn bring(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.to_device(&self.device)?.to_dtype(self.dtype)?)
    }

    fn check_frames(&self, frames: usize) -> Result<()> {
        if frames <= FLOW_FRAMES {
            return Ok(());
        }
        Err(Error::input(format!(
            "{frames} mel frames (prompt included) are more than the {FLOW_FRAMES} the flow has \
             noise for: use a shorter text or prompt"
        )))
    }
}

/// Checks the sizes that the reference's code assumes.
fn check(config: &FlowConfig) -> candle_core::Result<()> {
    let dit = &config.estimator;
    let mel = config.output_size;
    let fits = mel == FLOW_CHANNELS
        && [dit.mel_dim, dit.spk_dim, dit.out_channels]
            .iter()
            .all(|&c| c == mel)
        && dit.mu_dim == config.input_size;
    if fits {
        return Ok(());
    }
    candle_core::bail!(
        "the configuration's sizes do not fit each other: {mel} output channels, estimator mel \
         {}, mu {}, speaker {}, out {} (all must be {FLOW_CHANNELS}, but mu the {} of the token \
         embedding)",
        dit.mel_dim,
        dit.mu_dim,
        dit.spk_dim,
        dit.out_channels,
        config.input_size
    )
}
