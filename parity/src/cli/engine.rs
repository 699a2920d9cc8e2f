use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use native::device::{DeviceName, Precision};
use native::engine::EngineOptions;
use native::model_dir::LmWeights;
use parity::record::NativeRecorder;

/// Where and how the native engine computes.
#[derive(Args, Debug)]
pub struct EngineArgs {
    /// ModelInfo directory, laid out like Fun-CosyVoice3-0.5B
    #[arg(long, value_name = "DIR", default_value = "out/tiny-7")]
    pub model_dir: PathBuf,
    /// cpu, cuda, cuda:1 or metal (cuda and metal need a build with that feature)
    #[arg(long, default_value = "cpu")]
    pub device: DeviceName,
    /// f32, bf16 or f16; limits are set for f32
    #[arg(long, default_value = "f32")]
    pub precision: Precision,
    /// Weight file of the language model, for cases that name no set themselves: llm.pt,
    /// llm.rl.pt, llm.safetensors or llm.rl.safetensors (default: as the reference chooses)
    #[arg(long, value_name = "FILE")]
    pub lm_weights: Option<LmWeights>,
}

impl EngineArgs {
    /// Loads the engine.
    pub fn load(&self) -> anyhow::Result<NativeRecorder> {
        let options = EngineOptions {
            device: self.device.open()?,
            precision: self.precision.into(),
            lm_weights: self.lm_weights.unwrap_or_default(),
            ..EngineOptions::default()
        };
        let (device, precision) = (self.device.kind(), self.precision.to_string());
        Ok(NativeRecorder::load(
            &self.model_dir,
            &options,
            device,
            &precision,
        )?)
    }
}

/// A bar that counts cases, on standard error and only on a terminal.
pub fn case_bar(cases: usize) -> anyhow::Result<ProgressBar> {
    let style = ProgressStyle::with_template("[{bar:20}] {pos}/{len}  {msg}  {elapsed}")?;
    Ok(ProgressBar::new(cases as u64).with_style(style))
}
