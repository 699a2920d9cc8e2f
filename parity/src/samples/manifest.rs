use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::recording::{EngineInfo, FileHash, ModelInfo, RecordedCase, Sealed, timestamp};

/// The format of samples that this program writes and reads.
pub const SAMPLES_FORMAT: u32 = 1;
/// The manifest's file name; a folder holds samples if it has one.
pub const SAMPLES: &str = "samples.json";
/// The file of draws beside it.
pub const DRAWS: &str = "draws.safetensors";

/// Who drew the tokens of which texts, with which seeds and files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SamplesManifest {
    /// Version of the format.
    pub samples_format: u32,
    /// Whose language model it was.
    pub engine: EngineInfo,
    /// Versions of the engine's libraries.
    #[serde(default)]
    pub libraries: BTreeMap<String, String>,
    /// `cpu`, `cuda` …
    pub device: String,
    /// `f32`, `bf16` …
    pub precision: String,
    /// The weights.
    #[serde(default)]
    pub model: ModelInfo,
    /// The file of the language model's weights.
    #[serde(default)]
    pub lm_weights: Option<String>,
    /// SHA-256 of the engine's sources, by relative path, if it is run from sources.
    #[serde(default)]
    pub sources: BTreeMap<String, String>,
    /// The mistake that was planted in the sampler, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planted: Option<String>,
    /// What was said, in the order of the draws.
    pub cases: Vec<RecordedCase>,
    /// The seeds of each case, in the order of the draws.
    pub seeds: Vec<u64>,
    /// The file of draws; other programs may leave it out.
    #[serde(default)]
    pub draws: Option<FileHash>,
    /// The time of the drawing as RFC 3339. Empty if it is not known.
    #[serde(default)]
    pub recorded_at: String,
    /// Seconds that it took, if it was drawn in one go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// SHA-256 of this file with these digits replaced by zeros.
    #[serde(default)]
    pub seal: String,
}

impl SamplesManifest {
    /// A manifest of this format, drawn now, with no cases yet.
    pub fn new(engine: EngineInfo, model: ModelInfo) -> Self {
        Self {
            samples_format: SAMPLES_FORMAT,
            engine,
            libraries: BTreeMap::new(),
            device: "cpu".into(),
            precision: "f32".into(),
            model,
            lm_weights: None,
            sources: BTreeMap::new(),
            planted: None,
            cases: Vec::new(),
            seeds: Vec::new(),
            draws: None,
            recorded_at: timestamp(),
            seconds: None,
            seal: String::new(),
        }
    }
}

impl Sealed for SamplesManifest {
    const FORMAT_FIELD: &'static str = "samples_format";
    const FORMAT: u32 = SAMPLES_FORMAT;

    fn seal(&mut self) -> &mut String {
        &mut self.seal
    }
}
