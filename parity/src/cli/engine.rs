use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use native::device::DeviceName;
use native::engine::{Engine, EngineBuilder};
use native::kernels::Kernels;
use native::model_dir::{LmWeights, ModelDir};
use native::precision::Precisions;
use parity::record::NativeRecorder;

use super::shared::DEFAULT_MODEL;

/// A model, and the rules that normalise its texts.
#[derive(Args, Debug)]
pub struct ModelArgs {
    /// Model directory, laid out like Fun-CosyVoice3-0.5B
    #[arg(long, value_name = "DIR", default_value = DEFAULT_MODEL)]
    pub model_dir: PathBuf,
    /// Folder of text rules [default: text_rules of the model directory, .cache/text-rules, or
    /// cosyvoice-parity/text-rules in the user's cache, whichever is there first]
    #[arg(long, value_name = "DIR")]
    pub text_rules: Option<PathBuf>,
}

impl ModelArgs {
    /// Opens the model directory, and reads its configuration.
    pub fn open(&self) -> anyhow::Result<ModelDir> {
        let rules = self.text_rules.clone();
        Ok(ModelDir::open(&self.model_dir)?.with_text_rules(rules))
    }
}

/// Where and how the native engine computes.
#[derive(Args, Debug)]
pub struct EngineArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// cpu, cuda, cuda:1 or metal (cuda and metal need a build with that feature)
    #[arg(long, default_value = "cpu")]
    pub device: DeviceName,
    /// f32, bf16, q8 or q4 (f16 on a GPU). A preset sets what pays in each network: bf16 is
    /// llm=bf16,flow=bf16; q8 is llm=q8,flow=q8; q4 is llm=q4,flow=q8; the vocoder stays in f32.
    /// Exceptions follow, as in `q4,flow=bf16`. Limits are set for
    /// f32 and for the presets bf16, q8 and q4
    #[arg(long, default_value = "f32")]
    pub precision: Precisions,
    /// own, or composed: on the CPU in f32 too, run the operations that a GPU runs
    #[arg(long, default_value = "own")]
    pub kernels: Kernels,
    /// Weight file of the language model, for cases that name no set themselves: llm.pt,
    /// llm.rl.pt, llm.safetensors or llm.rl.safetensors (default: as the reference chooses)
    #[arg(long, value_name = "FILE")]
    pub lm_weights: Option<LmWeights>,
}

impl EngineArgs {
    /// The engine, not loaded yet.
    pub fn builder(&self) -> anyhow::Result<EngineBuilder> {
        Ok(Engine::builder(&self.model.model_dir)
            .device(self.device.open()?)
            .precision(self.precision)
            .kernels(self.kernels)
            .lm_weights(self.lm_weights.unwrap_or_default())
            .text_rules(self.model.text_rules.clone()))
    }

    /// Loads the engine, to record what it does.
    pub fn load(&self) -> anyhow::Result<NativeRecorder> {
        let precision = self.precision.to_string();
        Ok(NativeRecorder::load(
            self.builder()?,
            self.device.kind(),
            &precision,
        )?)
    }
}

/// A bar that counts cases, on standard error and only on a terminal.
pub fn case_bar(cases: usize) -> anyhow::Result<ProgressBar> {
    let style = ProgressStyle::with_template("[{bar:20}] {pos}/{len}  {msg}  {elapsed}")?;
    Ok(ProgressBar::new(cases as u64).with_style(style))
}
