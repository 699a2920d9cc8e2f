//! What a model directory holds: the configuration in `cosyvoice3.yaml` and the weight files.

mod config;
mod dir;
mod hyper_yaml;

pub use config::ModelConfig;
pub use dir::{LmWeights, ModelDir};
