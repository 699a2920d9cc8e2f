use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use candle_core::Device;

use super::EngineBuilder;
use crate::Result;
use crate::audio::Waveform;
use crate::flow::Flow;
use crate::kernels::Kernels;
use crate::llm::{Sampler, SpeechLm, Strategy};
use crate::model_dir::{LmWeights, ModelDir};
use crate::precision::{Precision, Precisions};
use crate::tap::{NoTap, Tap};
use crate::text::TextFrontend;
use crate::vocoder::Vocoder;
use crate::voice::{SpeakerEncoder, SpeechTokenizer, VoicePrompt};
use crate::weights::Weights;

/// A loaded model.
///
/// [`Engine::speak`] does everything; the stages are there to be run alone. Clones share the model,
/// and an engine can be used from several threads at once.
#[derive(Clone)]
pub struct Engine {
    pub(super) model_dir: Arc<ModelDir>,
    pub(super) device: Device,
    pub(super) precision: Precisions,
    pub(super) kernels: Kernels,
    pub(super) frontend: Arc<TextFrontend>,
    pub(super) speech_tokenizer: Arc<SpeechTokenizer>,
    pub(super) speaker_encoder: Arc<SpeakerEncoder>,
    pub(super) llm: Arc<SpeechLm>,
    pub(super) lm_weights: PathBuf,
    pub(super) flow: Arc<Flow>,
    pub(super) vocoder: Arc<Vocoder>,
    pub(super) active_streams: Arc<AtomicUsize>,
}

impl Engine {
    /// Sampling rate of all speech, in Hz.
    pub const SAMPLE_RATE: u32 = 24_000;

    /// Begins to load the model in `model_dir`, a directory laid out like Fun-CosyVoice3-0.5B.
    pub fn builder(model_dir: impl AsRef<Path>) -> EngineBuilder {
        EngineBuilder::new(model_dir.as_ref())
    }

    /// The same engine with another language model. The other networks are shared.
    ///
    /// # Errors
    /// If the weights are missing, damaged, or belong to another model.
    pub fn with_lm_weights(&self, weights: LmWeights) -> Result<Self> {
        let file = self.model_dir.lm_weights(weights)?;
        let llm = self.load_lm(&file)?;
        Ok(Self {
            llm: Arc::new(llm),
            lm_weights: file,
            ..self.clone()
        })
    }

    /// The same engine with its language model in float32 on the CPU, by the engine's own kernels:
    /// the one that samples the reference's tokens, to hold another precision or device to it.
    ///
    /// # Errors
    /// If the weights can no longer be read.
    pub fn with_exact_lm(&self) -> Result<Self> {
        let exact = Self {
            device: Device::Cpu,
            precision: self.precision.with_llm(Precision::F32),
            kernels: Kernels::Own,
            ..self.clone()
        };
        let llm = exact.load_lm(&self.lm_weights)?;
        Ok(Self {
            llm: Arc::new(llm),
            ..exact
        })
    }

    /// Whether the language model computes as [`Engine::with_exact_lm`] does, up to the order of
    /// summation, so that its tokens are the reference's.
    pub fn has_exact_lm(&self) -> bool {
        self.device.is_cpu() && self.precision.llm == Precision::F32
    }

    fn load_lm(&self, file: &Path) -> Result<SpeechLm> {
        let config = self.model_dir.config();
        SpeechLm::from_weights(
            &config.llm,
            &config.qwen,
            Weights::open(file)?.with_kernels(self.kernels),
            &self.device,
            self.precision.llm,
        )
    }

    /// What the model needs to know about a voice, from a recording of at most 30 s.
    ///
    /// # Errors
    /// If the recording is too short, too long, or sampled below 16 kHz.
    pub fn voice(&self, recording: &Waveform) -> Result<VoicePrompt> {
        self.voice_with(recording, &mut NoTap)
    }

    /// Like [`Engine::voice`], handing the prompt's stages to `tap`.
    ///
    /// # Errors
    /// As for [`Engine::voice`], or if the tap fails.
    pub fn voice_with(&self, recording: &Waveform, tap: &mut dyn Tap) -> Result<VoicePrompt> {
        VoicePrompt::new(
            recording,
            &self.speech_tokenizer,
            &self.speaker_encoder,
            tap,
        )
    }

    /// A sampler for one request to this model.
    pub fn sampler(&self, strategy: Strategy) -> Sampler {
        Sampler::new(strategy, self.llm.config().sampling)
    }

    /// The model directory.
    pub fn model_dir(&self) -> &ModelDir {
        &self.model_dir
    }

    /// The device of the language model, the flow and the vocoder.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The text frontend: text to token ids.
    pub fn frontend(&self) -> &TextFrontend {
        &self.frontend
    }

    /// The speech tokenizer: recording to speech tokens.
    pub fn speech_tokenizer(&self) -> &SpeechTokenizer {
        &self.speech_tokenizer
    }

    /// The speaker encoder: recording to speaker embedding.
    pub fn speaker_encoder(&self) -> &SpeakerEncoder {
        &self.speaker_encoder
    }

    /// The language model: token ids to speech tokens.
    pub fn llm(&self) -> &SpeechLm {
        &self.llm
    }

    /// The file that the language model's weights were read from.
    pub fn lm_weights(&self) -> &Path {
        &self.lm_weights
    }

    /// The flow: speech tokens to mel spectrogram.
    pub fn flow(&self) -> &Flow {
        &self.flow
    }

    /// The vocoder: mel spectrogram to sound.
    pub fn vocoder(&self) -> &Vocoder {
        &self.vocoder
    }

    /// Streams whose threads are still at work, over all clones of the engine. A dropped stream
    /// stops at its next token or Euler step.
    pub fn active_streams(&self) -> usize {
        self.active_streams.load(Ordering::Relaxed)
    }
}
