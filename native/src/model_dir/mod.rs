//! What a model directory holds: the configuration in `cosyvoice3.yaml`, the weight files, and
//! the saved speakers.

#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::cast_possible_truncation)
)]

mod config;
mod default_model;
mod dir;
mod hyper_yaml;
mod own_voice;
mod ranges;
mod saved_speakers;
mod text_rules;
mod torch_archive;
mod user_cache;

pub use config::ModelConfig;
pub use default_model::default_model;
pub use dir::{LmWeights, ModelDir};
pub use own_voice::OwnVoice;
pub use saved_speakers::{SavedSpeaker, SavedSpeakers};
pub use user_cache::in_user_cache;
