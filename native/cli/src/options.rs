//! Options that several commands share.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use native::device::DeviceName;
use native::engine::{Engine, EngineBuilder};
use native::kernels::Kernels;
use native::model_dir::{LmWeights, ModelDir, default_model};
use native::precision::Precisions;
use native::text::{FrontendOptions, NormalizerKind};
use native::voice::PartialWindow;

/// Parses a value that goes by one of `names`: `--help` lists them, and a mistyped one is answered
/// with the nearest.
pub fn named<T>(names: impl IntoIterator<Item = &'static str>) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err: Into<Box<dyn std::error::Error + Send + Sync>>> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(names).try_map(|name| name.parse::<T>())
}

/// Which model.
#[derive(Args)]
pub struct ModelDirOption {
    /// Model directory, laid out like Fun-CosyVoice3-0.5B [default: the small one that comes along,
    /// as `make model` or `make install` writes it]
    #[arg(long, value_name = "DIR")]
    model_dir: Option<PathBuf>,
}

impl ModelDirOption {
    /// The directory, named or not.
    pub fn path(&self) -> native::Result<PathBuf> {
        self.model_dir.clone().map_or_else(default_model, Ok)
    }

    /// Reads its configuration.
    pub fn open(&self) -> native::Result<ModelDir> {
        ModelDir::open(&self.path()?)
    }
}

/// Where the model is and how it computes.
#[derive(Args)]
pub struct ModelOptions {
    #[command(flatten)]
    pub dir: ModelDirOption,
    /// cpu, cuda, cuda:1 or metal (cuda and metal need a build with that feature)
    #[arg(long, default_value = "cpu")]
    pub device: DeviceName,
    /// f32, bf16, q8 or q4 (f16 on a GPU). A preset sets what pays in each network: bf16 is
    /// llm=bf16,flow=bf16; q8 is llm=q8,flow=q8; q4 is llm=q4,flow=q8; the vocoder stays in f32.
    /// Exceptions follow, as in `q4,flow=bf16`. Only f32 is held to the reference
    #[arg(long, default_value = "f32")]
    pub precision: Precisions,
    /// On the CPU in f32: this program's own kernels, or candle's operations, as a GPU runs them
    #[arg(long, default_value = "own", value_parser = named::<Kernels>(Kernels::NAMES))]
    pub kernels: Kernels,
    /// Weight file of the language model [default: llm.pt as in the reference, else llm.safetensors]
    #[arg(long, value_name = "FILE", value_parser = named::<LmWeights>(LmWeights::NAMES))]
    pub lm_weights: Option<LmWeights>,
    #[command(flatten)]
    pub speaker: SpeakerOptions,
    #[command(flatten)]
    pub text: TextOptions,
}

/// How the speaker encoder behaves.
#[derive(Args)]
pub struct SpeakerOptions {
    /// How the speaker encoder averages its last, partial window: as onnxruntime 1.18 does, which
    /// the released model was probably trained with, or by the true number of frames
    #[arg(long, default_value = "ort-1.18", value_parser = named::<PartialWindow>(PartialWindow::NAMES))]
    pub pooling: PartialWindow,
}

/// How texts are normalised.
#[derive(Args)]
pub struct TextOptions {
    /// Which wetext the frontend behaves like: 0.1.8, the older 0.0.4, which touches only texts with
    /// digits, or none
    #[arg(long, default_value = "wetext-0.1.8", value_parser = named::<NormalizerKind>(NormalizerKind::NAMES))]
    pub normalizer: NormalizerKind,
    /// Folder of text rules [default: text_rules of the model directory, .cache/text-rules, or
    /// cosyvoice-parity/text-rules in the user's cache, whichever is there first]
    #[arg(long, value_name = "DIR")]
    pub text_rules: Option<PathBuf>,
    /// Prefix every English segment with <|en|>
    #[arg(long)]
    pub english_prefix: bool,
    /// Neither normalise nor split texts (the reference's text_frontend=False)
    #[arg(long)]
    pub verbatim: bool,
    /// Fail where the reference's normaliser fails, instead of leaving the text unnormalised
    #[arg(long)]
    pub strict: bool,
}

impl TextOptions {
    /// The frontend's options.
    pub fn frontend(&self) -> FrontendOptions {
        FrontendOptions {
            normalizer: self.normalizer,
            english_prefix: self.english_prefix,
            verbatim: self.verbatim,
            strict: self.strict,
        }
    }
}

impl ModelOptions {
    /// The engine, not loaded yet.
    pub fn builder(&self) -> native::Result<EngineBuilder> {
        Ok(Engine::builder(&self.dir.path()?)
            .device(self.device.open()?)
            .precision(self.precision)
            .kernels(self.kernels)
            .frontend(self.text.frontend())
            .pooling(self.speaker.pooling)
            .lm_weights(self.lm_weights.unwrap_or_default())
            .text_rules(self.text.text_rules.clone()))
    }
}
