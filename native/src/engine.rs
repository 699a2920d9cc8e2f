//! The pipeline: from a text and a voice prompt to 24 kHz speech.

use std::path::{Path, PathBuf};
use std::time::Instant;

use candle_core::{DType, Device, Tensor};

use crate::audio::Waveform;
use crate::flow::{Flow, FlowInput};
use crate::llm::{LmPrompt, Sampler, SpeechLm, Stop, drop_long_silences};
use crate::model_dir::{LmWeights, ModelConfig, ModelDir};
use crate::noise::ConstructionSizes;
use crate::tap::Tap;
use crate::text::{FrontendOptions, TextFrontend};
use crate::vocoder::{Vocoder, interpolate_mel};
use crate::voice::{PartialWindow, SpeakerEncoder, SpeechTokenizer, VoicePrompt};
use crate::{Error, Result};

/// Where and how an engine computes.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Device of the language model, the flow and the vocoder.
    pub device: Device,
    /// Floating-point type of their weights. Only `F32` is held to the reference.
    pub precision: DType,
    /// How texts are normalised.
    pub frontend: FrontendOptions,
    /// How the speaker encoder averages its last, partial window.
    pub pooling: PartialWindow,
    /// Which of the language model's weight files.
    pub lm_weights: LmWeights,
    /// A directory of text rules other than the model directory's own.
    pub text_rules: Option<PathBuf>,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            device: Device::Cpu,
            precision: DType::F32,
            frontend: FrontendOptions::default(),
            pooling: PartialWindow::default(),
            lm_weights: LmWeights::default(),
            text_rules: None,
        }
    }
}

/// How text and voice reach the model; the reference's `inference_*` methods.
#[derive(Clone, Debug)]
pub enum Mode {
    /// The voice prompt's own words are known and continue into the text.
    ZeroShot {
        /// What is said in the voice prompt, after the system prompt and `<|endofprompt|>`.
        prompt_text: String,
    },
    /// Only the voice is taken; the text carries its own `<|endofprompt|>` prefix.
    CrossLingual,
    /// An instruction on how to speak, ending in `<|endofprompt|>`; taken as it is.
    Instruct {
        /// The instruction.
        instruct: String,
    },
    /// The words of another recording, in the prompt's voice. Has no text.
    VoiceConversion {
        /// The recording whose words are kept.
        source: Waveform,
    },
}

/// One thing to say.
#[derive(Clone, Debug)]
pub struct Request {
    /// The text; ignored in voice conversion.
    pub text: String,
    /// How text and voice are combined.
    pub mode: Mode,
    /// Playback speed; 1 is natural, 2 is twice as fast.
    pub speed: f64,
}

/// What the text frontend made of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The normalised prompt or instruction text; empty where the mode has none.
    pub prompt_text: String,
    /// Its token ids.
    pub prompt_ids: Vec<u32>,
    /// The text's segments, synthesised one after the other.
    pub segments: Vec<ScriptSegment>,
    /// What the frontend wants the user to know.
    pub warnings: Vec<String>,
}

/// One segment of a [`Script`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptSegment {
    /// The normalised text.
    pub text: String,
    /// Its token ids.
    pub ids: Vec<u32>,
}

/// One synthesised segment.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Speech tokens as sampled.
    pub tokens: Vec<u32>,
    /// Speech tokens that became sound: long silences are shortened.
    pub kept: Vec<u32>,
    /// What ended the sampling; `None` where nothing was sampled.
    pub stop: Option<Stop>,
    /// The sound, 24 kHz, in [−0.99, 0.99].
    pub samples: Vec<f32>,
    /// Seconds spent in each stage.
    pub seconds: StageSeconds,
}

/// Seconds of wall-clock time per stage.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StageSeconds {
    /// The language model, sampling included.
    pub llm: f64,
    /// The flow.
    pub flow: f64,
    /// The vocoder.
    pub vocoder: f64,
}

/// A loaded model with every stage at hand, so that each can also be run alone.
pub struct Engine {
    /// The model directory it came from.
    pub model_dir: ModelDir,
    /// Where the language model, the flow and the vocoder compute.
    pub device: Device,
    /// Text to token ids.
    pub frontend: TextFrontend,
    /// Prompt sound to speech tokens.
    pub speech_tokenizer: SpeechTokenizer,
    /// Prompt sound to a speaker embedding.
    pub speaker: SpeakerEncoder,
    /// Token ids to speech tokens.
    pub llm: SpeechLm,
    /// Speech tokens to a mel spectrogram.
    pub flow: Flow,
    /// Mel spectrogram to sound.
    pub vocoder: Vocoder,
}

impl Engine {
    /// Sampling rate of everything the engine says, in Hz.
    pub const SAMPLE_RATE: u32 = 24_000;

    /// Loads a model directory laid out like Fun-CosyVoice3-0.5B.
    pub fn load(model_dir: &Path, options: &EngineOptions) -> Result<Self> {
        let dir = ModelDir::open(model_dir)?;
        let (device, dtype) = (&options.device, options.precision);
        let lm_weights = dir.lm_weights(options.lm_weights)?;
        let rules = options
            .text_rules
            .clone()
            .unwrap_or_else(|| dir.text_rules());
        let config = dir.config();
        Ok(Self {
            frontend: TextFrontend::load(
                &dir.text_tokenizer(),
                Some(&rules),
                options.frontend.clone(),
            )?,
            speech_tokenizer: SpeechTokenizer::load(&dir.speech_tokenizer()?)?,
            speaker: SpeakerEncoder::load(&dir.speaker_encoder()?, options.pooling)?,
            llm: SpeechLm::load(&dir, &lm_weights, device, dtype)?,
            flow: Flow::load(&config.flow, &dir.flow_weights()?, device, dtype)?,
            vocoder: Vocoder::load(
                &config.vocoder,
                &construction_sizes(config),
                &dir.vocoder_weights()?,
                device,
                dtype,
            )?,
            model_dir: dir,
            device: device.clone(),
        })
    }

    /// Everything the model needs to know about a voice, from a recording of at most 30 s.
    pub fn voice(&self, prompt: &Waveform, tap: &mut dyn Tap) -> Result<VoicePrompt> {
        VoicePrompt::new(prompt, &self.speech_tokenizer, &self.speaker, tap)
    }

    /// The text stage: normalises, splits and tokenises what a request says.
    pub fn script(&self, request: &Request) -> Result<Script> {
        let mut warnings = Vec::new();
        let prompt_text = match &request.mode {
            Mode::ZeroShot { prompt_text } => {
                let normalized = self.frontend.normalize(prompt_text, false)?;
                warnings.extend(normalized.warnings);
                normalized.text
            }
            // The reference tokenises an instruction without normalising it.
            Mode::Instruct { instruct } => instruct.clone(),
            Mode::CrossLingual | Mode::VoiceConversion { .. } => String::new(),
        };
        let mut segments = Vec::new();
        if !matches!(request.mode, Mode::VoiceConversion { .. }) {
            let normalized = self.frontend.normalize(&request.text, true)?;
            warnings.extend(normalized.warnings);
            for text in normalized.segments {
                let ids = self.frontend.ids(&text)?;
                segments.push(ScriptSegment { text, ids });
            }
            if segments.is_empty() {
                return Err(Error::input(
                    "the text has nothing to say: it is only punctuation",
                ));
            }
        }
        let prompt_ids = if prompt_text.is_empty() {
            Vec::new()
        } else {
            self.frontend.ids(&prompt_text)?
        };
        Ok(Script {
            prompt_text,
            prompt_ids,
            segments,
            warnings,
        })
    }

    /// What the language model is given for one segment.
    pub fn lm_prompt(
        &self,
        mode: &Mode,
        script: &Script,
        segment: &ScriptSegment,
        voice: &VoicePrompt,
    ) -> LmPrompt {
        // Only zero-shot shows the language model how the voice speaks.
        let prompt_speech_tokens = match mode {
            Mode::ZeroShot { .. } => voice.speech_tokens.clone(),
            _ => Vec::new(),
        };
        LmPrompt {
            prompt_text_ids: script.prompt_ids.clone(),
            text_ids: segment.ids.clone(),
            prompt_speech_tokens,
        }
    }

    /// Synthesises a request segment by segment, handing each to `deliver` as soon as it is done.
    ///
    /// `voice` is as [`Engine::voice`] returns it. The sampler goes through all segments, so its
    /// seed decides the whole request.
    pub fn synthesize(
        &self,
        request: &Request,
        script: &Script,
        voice: &VoicePrompt,
        sampler: &mut Sampler,
        tap: &mut dyn Tap,
        mut deliver: impl FnMut(usize, Segment) -> Result<()>,
    ) -> Result<()> {
        if !(request.speed.is_finite() && request.speed > 0.0) {
            return Err(Error::input(format!(
                "a speed of {} is not possible: it must be above 0",
                request.speed
            )));
        }
        if let Mode::VoiceConversion { source } = &request.mode {
            let tokens = self
                .speech_tokenizer
                .tokens_of(source, "source.whisper_mel", tap)?;
            tap.segment(0);
            let sound = self.speak(&tokens, voice, request.speed, tap)?;
            return deliver(0, sound.with_tokens(tokens.clone(), tokens, None, 0.0));
        }
        let voice = voice.aligned()?;
        for (index, segment) in script.segments.iter().enumerate() {
            tap.segment(index);
            let started = Instant::now();
            let prompt = self.lm_prompt(&request.mode, script, segment, &voice);
            let generation = self.llm.generate(&prompt, sampler, tap)?;
            let llm_seconds = started.elapsed().as_secs_f64();
            let kept = drop_long_silences(&generation.tokens);
            if kept.is_empty() {
                return Err(Error::input(format!(
                    "the model had nothing to say for segment {}: {:?}",
                    index + 1,
                    segment.text
                )));
            }
            let sound = self.speak(&kept, &voice, request.speed, tap)?;
            let stop = Some(generation.stop);
            deliver(
                index,
                sound.with_tokens(generation.tokens, kept, stop, llm_seconds),
            )?;
        }
        Ok(())
    }

    /// Flow and vocoder: speech tokens to sound, in a voice.
    fn speak(
        &self,
        tokens: &[u32],
        voice: &VoicePrompt,
        speed: f64,
        tap: &mut dyn Tap,
    ) -> Result<Sound> {
        let started = Instant::now();
        let input = FlowInput {
            tokens,
            prompt_tokens: &voice.speech_tokens,
            prompt_mel: &voice.mel,
            embedding: &voice.speaker_embedding,
            streaming: false,
            finalize: true,
        };
        let mut mel = self.flow.inference(&input, tap)?;
        if speed != 1.0 {
            mel = interpolate_mel(&mel, speed)?;
        }
        let flow = started.elapsed().as_secs_f64();
        let started = Instant::now();
        let samples = to_samples(&self.vocoder.inference(&mel, true, tap)?)?;
        let vocoder = started.elapsed().as_secs_f64();
        Ok(Sound {
            samples,
            flow,
            vocoder,
        })
    }
}

/// What the reference draws between the flow's noise and the vocoder's.
fn construction_sizes(config: &ModelConfig) -> ConstructionSizes {
    let (flow, vocoder) = (&config.flow, &config.vocoder);
    ConstructionSizes {
        flow_vocab: flow.vocab_size,
        flow_input: flow.input_size,
        speaker: flow.spk_embed_dim,
        flow_output: flow.output_size,
        f0_input: vocoder.f0.in_channels,
        f0_channels: vocoder.f0.cond_channels,
        sines: vocoder.nb_harmonics + 1,
    }
}

struct Sound {
    samples: Vec<f32>,
    flow: f64,
    vocoder: f64,
}

impl Sound {
    fn with_tokens(
        self,
        tokens: Vec<u32>,
        kept: Vec<u32>,
        stop: Option<Stop>,
        llm: f64,
    ) -> Segment {
        let seconds = StageSeconds {
            llm,
            flow: self.flow,
            vocoder: self.vocoder,
        };
        Segment {
            tokens,
            kept,
            stop,
            samples: self.samples,
            seconds,
        }
    }
}

fn to_samples(wav: &Tensor) -> Result<Vec<f32>> {
    Ok(wav.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
}
