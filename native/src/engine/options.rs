use std::path::PathBuf;

use candle_core::Device;

use crate::model_dir::LmWeights;
use crate::precision::Precisions;
use crate::text::FrontendOptions;
use crate::voice::PartialWindow;

/// Where and how an engine computes.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Device of the language model, the flow and the vocoder.
    pub device: Device,
    /// Precision of their weights. Only `f32` is held to the reference.
    pub precision: Precisions,
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
            precision: Precisions::default(),
            frontend: FrontendOptions::default(),
            pooling: PartialWindow::default(),
            lm_weights: LmWeights::default(),
            text_rules: None,
        }
    }
}
