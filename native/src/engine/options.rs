use std::path::PathBuf;

use candle_core::{DType, Device};

use crate::model_dir::LmWeights;
use crate::text::FrontendOptions;
use crate::voice::PartialWindow;

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
