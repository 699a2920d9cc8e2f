use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::recording::{FileHash, Manifest};
use crate::stage::Feed;

/// Who made a recording: engine, model, device and date.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RecordingInfo {
    /// Where the stages got their inputs.
    pub feed: Feed,
    /// The engine.
    pub engine: String,
    /// The engine's version.
    pub version: String,
    /// The engine's commit.
    pub commit: Option<String>,
    /// The model's short name.
    pub model: String,
    /// The model's files.
    pub files: BTreeMap<String, FileHash>,
    /// The language model's weight file, for cases that do not choose one.
    #[serde(default)]
    pub lm_weights: Option<String>,
    /// The device.
    pub device: String,
    /// The precision.
    pub precision: String,
    /// Versions of libraries.
    pub libraries: BTreeMap<String, String>,
    /// When it was recorded.
    pub recorded_at: String,
    /// Seconds spent, by part.
    pub seconds: BTreeMap<String, f64>,
}

impl RecordingInfo {
    /// Takes the information from a manifest.
    pub fn of(manifest: &Manifest) -> Self {
        Self {
            feed: manifest.feed,
            engine: manifest.engine.name.clone(),
            version: manifest.engine.version.clone(),
            commit: manifest.engine.commit.clone(),
            model: manifest.model.id.clone(),
            files: manifest.model.files.clone(),
            lm_weights: manifest.lm_weights.clone(),
            device: manifest.device.clone(),
            precision: manifest.precision.clone(),
            libraries: manifest.libraries.clone(),
            recorded_at: manifest.recorded_at.clone(),
            seconds: manifest.seconds.clone(),
        }
    }
}
