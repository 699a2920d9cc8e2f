//! Options that several commands share.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use native::device::{DeviceName, Precision};
use native::engine::EngineOptions;
use native::model_dir::LmWeights;
use native::text::{FrontendOptions, NormalizerKind};
use native::voice::PartialWindow;

/// Where the model is and how it computes.
#[derive(Args)]
pub struct ModelOptions {
    /// Model directory, laid out like Fun-CosyVoice3-0.5B
    #[arg(long, value_name = "DIR")]
    pub model_dir: PathBuf,
    /// cpu, cuda, cuda:1 or metal (cuda and metal need a build with that feature)
    #[arg(long, default_value = "cpu")]
    pub device: DeviceName,
    /// f32, bf16 or f16; only f32 is held to the reference
    #[arg(long, default_value = "f32")]
    pub precision: Precision,
    /// Which of the language model's weight files
    #[arg(long, value_enum, default_value_t = LmFile::Reference)]
    pub lm_weights: LmFile,
    /// How the speaker encoder averages its last window
    #[arg(long, value_enum, default_value_t = Pooling::Ort118)]
    pub pooling: Pooling,
    #[command(flatten)]
    pub text: TextOptions,
}

/// How texts are normalised.
#[derive(Args)]
pub struct TextOptions {
    /// Which wetext the frontend behaves like; none leaves texts as they are
    #[arg(long, value_enum, default_value_t = Wetext::V018)]
    pub normalizer: Wetext,
    /// Text rules other than the model directory's text_rules
    #[arg(long, value_name = "DIR")]
    pub text_rules: Option<PathBuf>,
    /// Prefix every English segment with <|en|>
    #[arg(long)]
    pub english_prefix: bool,
    /// Neither normalise nor split texts (the reference's text_frontend=False)
    #[arg(long)]
    pub verbatim: bool,
    /// Fail where the reference's normaliser fails, instead of keeping the text as it is
    #[arg(long)]
    pub strict: bool,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum LmFile {
    /// llm.pt as the reference, llm.safetensors where only that is there
    Reference,
    /// llm.pt
    #[value(name = "llm.pt")]
    Base,
    /// llm.rl.pt
    #[value(name = "llm.rl.pt")]
    Rl,
    /// llm.safetensors
    #[value(name = "llm.safetensors")]
    BaseSafetensors,
    /// llm.rl.safetensors
    #[value(name = "llm.rl.safetensors")]
    RlSafetensors,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Pooling {
    /// As onnxruntime 1.18 does, which the released model was made with
    #[value(name = "ort-1.18")]
    Ort118,
    /// By the true number of frames, as newer runtimes do
    TrueCount,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Wetext {
    /// wetext 0.1.8
    #[value(name = "wetext-0.1.8")]
    V018,
    /// wetext 0.0.4, which touches only texts with digits
    #[value(name = "wetext-0.0.4")]
    V004,
    /// No normalisation beyond the frontend's own
    None,
}

impl LmFile {
    pub fn choice(self) -> LmWeights {
        match self {
            Self::Reference => LmWeights::Reference,
            Self::Base => LmWeights::Base,
            Self::Rl => LmWeights::Rl,
            Self::BaseSafetensors => LmWeights::BaseSafetensors,
            Self::RlSafetensors => LmWeights::RlSafetensors,
        }
    }
}

impl Pooling {
    pub fn window(self) -> PartialWindow {
        match self {
            Self::Ort118 => PartialWindow::Ort118,
            Self::TrueCount => PartialWindow::TrueCount,
        }
    }
}

impl TextOptions {
    pub fn frontend(&self) -> FrontendOptions {
        FrontendOptions {
            normalizer: match self.normalizer {
                Wetext::V018 => NormalizerKind::Wetext018,
                Wetext::V004 => NormalizerKind::Wetext004,
                Wetext::None => NormalizerKind::None,
            },
            english_prefix: self.english_prefix,
            verbatim: self.verbatim,
            strict: self.strict,
        }
    }
}

impl ModelOptions {
    pub fn engine(&self) -> native::Result<EngineOptions> {
        Ok(EngineOptions {
            device: self.device.open()?,
            precision: self.precision.into(),
            frontend: self.text.frontend(),
            pooling: self.pooling.window(),
            lm_weights: self.lm_weights.choice(),
            text_rules: self.text.text_rules.clone(),
        })
    }
}
