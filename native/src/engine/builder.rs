use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use candle_core::Device;

use super::Engine;
use crate::flow::Flow;
use crate::kernels::Kernels;
use crate::llm::SpeechLm;
use crate::model_dir::{LmWeights, ModelDir};
use crate::precision::Precisions;
use crate::text::{FrontendOptions, TextFrontend};
use crate::vocoder::Vocoder;
use crate::voice::{PartialWindow, SpeakerEncoder, SpeechTokenizer};
use crate::weights::Weights;
use crate::{Error, Result};

/// How an engine is loaded; see [`Engine::builder`].
#[derive(Clone, Debug)]
pub struct EngineBuilder {
    model_dir: PathBuf,
    device: Device,
    precision: Precisions,
    kernels: Kernels,
    frontend: FrontendOptions,
    pooling: PartialWindow,
    lm_weights: LmWeights,
    text_rules: Option<PathBuf>,
    text_frontend: Option<Arc<TextFrontend>>,
}

impl EngineBuilder {
    pub(super) fn new(model_dir: &Path) -> Self {
        Self {
            model_dir: model_dir.to_owned(),
            device: Device::Cpu,
            precision: Precisions::default(),
            kernels: Kernels::default(),
            frontend: FrontendOptions::default(),
            pooling: PartialWindow::default(),
            lm_weights: LmWeights::default(),
            text_rules: None,
            text_frontend: None,
        }
    }

    /// The device of the language model, the flow and the vocoder. Default: the CPU.
    #[must_use]
    pub fn device(self, device: Device) -> Self {
        Self { device, ..self }
    }

    /// The precision of their weights. Default: float32, the only one that is held to the reference
    /// token by token.
    #[must_use]
    pub fn precision(self, precision: impl Into<Precisions>) -> Self {
        Self {
            precision: precision.into(),
            ..self
        }
    }

    /// Which kernels they use on the CPU. Default: this crate's own.
    #[must_use]
    pub fn kernels(self, kernels: Kernels) -> Self {
        Self { kernels, ..self }
    }

    /// How texts are normalised.
    #[must_use]
    pub fn frontend(self, frontend: FrontendOptions) -> Self {
        Self { frontend, ..self }
    }

    /// How the speaker encoder averages its last, partial window.
    #[must_use]
    pub fn pooling(self, pooling: PartialWindow) -> Self {
        Self { pooling, ..self }
    }

    /// Which of the language model's weight files to load.
    #[must_use]
    pub fn lm_weights(self, lm_weights: LmWeights) -> Self {
        Self { lm_weights, ..self }
    }

    /// A folder of text rules to use instead of those that [`ModelDir::text_rules`] finds.
    #[must_use]
    pub fn text_rules(self, folder: Option<PathBuf>) -> Self {
        Self {
            text_rules: folder,
            ..self
        }
    }

    /// Loads the text frontend alone, which takes little time: with it, a text can be looked at
    /// before the networks are loaded ([`Script::new`](super::Script::new)).
    ///
    /// # Errors
    /// If a file is missing or damaged.
    pub fn load_text_frontend(&self) -> Result<Arc<TextFrontend>> {
        let dir = ModelDir::open(&self.model_dir)?.with_text_rules(self.text_rules.clone());
        let frontend = dir.text_frontend(self.frontend.clone())?;
        Ok(Arc::new(frontend))
    }

    /// Uses a text frontend that is already loaded.
    #[must_use]
    pub fn text_frontend(self, frontend: Arc<TextFrontend>) -> Self {
        Self {
            text_frontend: Some(frontend),
            ..self
        }
    }

    /// Loads the model.
    ///
    /// # Errors
    /// If a file is missing, damaged, or belongs to another model.
    pub fn build(self) -> Result<Engine> {
        let dir = ModelDir::open(&self.model_dir)?;
        let (device, precision) = (&self.device, self.precision);
        precision.check(device)?;
        let config = dir.config();
        let frontend = match &self.text_frontend {
            Some(frontend) => frontend.clone(),
            None => self.load_text_frontend()?,
        };
        let lm_weights = dir.lm_weights(self.lm_weights)?;
        // Ids of another vocabulary would be spoken as other words.
        let end = dir.family().end_of_prompt;
        let ids = frontend.ids(end.token)?;
        if ids != [end.id] {
            return Err(Error::format(
                dir.text_tokenizer(),
                format!(
                    "not the vocabulary of {}: {} is {ids:?} in it, not {}",
                    dir.family().name,
                    end.token,
                    end.id
                ),
            ));
        }
        let open = |file: &Path| Ok::<_, Error>(Weights::open(file)?.with_kernels(self.kernels));
        // The two large networks are read side by side.
        let (llm, (flow, (vocoder, voice))) = rayon::join(
            || {
                let weights = open(&lm_weights)?;
                SpeechLm::from_weights(&config.llm, &config.qwen, weights, device, precision.llm)
            },
            || {
                let flow = dir.flow_weights().and_then(|path| {
                    Flow::from_weights(&config.flow, open(&path)?, device, precision.flow)
                });
                let vocoder = dir.vocoder_weights().and_then(|path| {
                    let (noise, weights) = (config.vocoder_noise(), open(&path)?);
                    Vocoder::from_weights(
                        &config.vocoder,
                        noise,
                        weights,
                        device,
                        precision.vocoder,
                    )
                });
                (flow, (vocoder, self.voice_networks(&dir)))
            },
        );
        let (speech_tokenizer, speaker_encoder) = voice?;
        Ok(Engine {
            frontend,
            speech_tokenizer: Arc::new(speech_tokenizer),
            speaker_encoder: Arc::new(speaker_encoder),
            llm: Arc::new(llm?),
            flow: Arc::new(flow?),
            vocoder: Arc::new(vocoder?),
            lm_weights,
            device: self.device,
            precision,
            kernels: self.kernels,
            model_dir: Arc::new(dir),
            active_streams: Arc::new(AtomicUsize::new(0)),
        })
    }

    /// The two ONNX networks, which listen to a prompt.
    fn voice_networks(&self, dir: &ModelDir) -> Result<(SpeechTokenizer, SpeakerEncoder)> {
        Ok((
            SpeechTokenizer::load(&dir.speech_tokenizer()?)?,
            SpeakerEncoder::load(&dir.speaker_encoder()?, self.pooling)?,
        ))
    }
}
