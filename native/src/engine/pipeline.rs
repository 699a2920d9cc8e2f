use std::path::Path;

use candle_core::Device;

use super::{EngineOptions, Mode, Request, Script, ScriptSegment};
use crate::audio::Waveform;
use crate::flow::Flow;
use crate::llm::{LmPrompt, SpeechLm};
use crate::model_dir::{ModelConfig, ModelDir};
use crate::noise::ConstructionSizes;
use crate::tap::Tap;
use crate::text::TextFrontend;
use crate::vocoder::Vocoder;
use crate::voice::{SpeakerEncoder, SpeechTokenizer, VoicePrompt};
use crate::{Error, Result};

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
        let (device, precision) = (&options.device, options.precision);
        let lm_weights = dir.lm_weights(options.lm_weights)?;
        let config = dir.config();
        Ok(Self {
            frontend: dir.text_frontend(options.text_rules.as_deref(), options.frontend.clone())?,
            speech_tokenizer: SpeechTokenizer::load(&dir.speech_tokenizer()?)?,
            speaker: SpeakerEncoder::load(&dir.speaker_encoder()?, options.pooling)?,
            llm: SpeechLm::load(&dir, &lm_weights, device, precision.llm)?,
            flow: Flow::load(&config.flow, &dir.flow_weights()?, device, precision.flow)?,
            vocoder: Vocoder::load(
                &config.vocoder,
                &construction_sizes(config),
                &dir.vocoder_weights()?,
                device,
                precision.vocoder,
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
        let mut script = self.prompt_script(&request.mode)?;
        if !matches!(request.mode, Mode::VoiceConversion { .. }) {
            let normalized = self.frontend.normalize(&request.text, true)?;
            script.warnings.extend(normalized.warnings);
            for text in normalized.segments {
                let ids = self.frontend.ids(&text)?;
                script.segments.push(ScriptSegment { text, ids });
            }
            if script.segments.is_empty() {
                return Err(Error::input(
                    "the text has nothing to say: it is only punctuation",
                ));
            }
        }
        Ok(script)
    }

    /// The text stage of the prompt alone, with no segments yet.
    pub(super) fn prompt_script(&self, mode: &Mode) -> Result<Script> {
        let mut warnings = Vec::new();
        let prompt_text = match mode {
            Mode::ZeroShot { prompt_text } => {
                let normalized = self.frontend.normalize(prompt_text, false)?;
                warnings.extend(normalized.warnings);
                normalized.text
            }
            // The reference tokenises an instruction without normalising it.
            Mode::Instruct { instruct } => instruct.clone(),
            Mode::CrossLingual | Mode::VoiceConversion { .. } => String::new(),
        };
        let prompt_ids = if prompt_text.is_empty() {
            Vec::new()
        } else {
            self.frontend.ids(&prompt_text)?
        };
        Ok(Script {
            prompt_text,
            prompt_ids,
            segments: Vec::new(),
            arrives: false,
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
