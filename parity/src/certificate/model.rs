use std::collections::BTreeMap;

use packed_linear::Cpu;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bench::processor;
use crate::judge::Verdict;
use crate::metric::Value;
use crate::recording::FileHash;
use crate::stage::Feed;

/// Version of the certificates that this program writes.
pub const CERTIFICATE_VERSION: u32 = 1;

/// How far an engine is from the reference, in a few numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// [`CERTIFICATE_VERSION`].
    pub version: u32,
    /// Version of the program that wrote it.
    pub parity_version: String,
    /// When it was written, as RFC 3339.
    pub made_at: String,
    /// The verdict of the report: `parity`, `parity failed` …
    pub verdict: String,
    /// The exit status that goes with it.
    pub exit: u8,
    /// Cases of the run by verdict.
    pub cases: BTreeMap<Verdict, usize>,
    /// Stages of cases by verdict; isolated and cascaded ones count separately.
    pub stages: BTreeMap<Verdict, usize>,
    /// What was measured.
    pub candidate: Candidate,
    /// Where it computed. Null if it was recorded elsewhere, as recordings do not say.
    pub processor: Option<Processor>,
    /// What it was held against.
    pub golden: Golden,
    /// SHA-256 of the limits.
    pub limits_sha256: Option<String>,
    /// The tokens. Null if nothing was fed with the golden's.
    pub tokens: Option<Draws>,
    /// The logits that they were drawn from. Null if none were compared.
    pub logits: Option<Logits>,
    /// The sound. Null if none was compared.
    pub sound: Option<Sound>,
    /// What the run as a whole says nothing about; the report has what single cases do not cover.
    pub not_covered: Vec<String>,
}

/// An engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    /// Its name: `native`, or that of another port.
    pub engine: String,
    /// Its version.
    pub version: String,
    /// Its commit, if it is known.
    pub commit: Option<String>,
    /// `cpu`, `cuda` …
    pub device: String,
    /// `f32`, `q8` …
    pub precision: String,
    /// The weight file of the language model, for cases that do not choose one.
    pub lm_weights: Option<String>,
    /// The model's short name.
    pub model: String,
    /// The model's files.
    pub model_files: BTreeMap<String, FileHash>,
}

/// A processor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Processor {
    /// As it names itself.
    pub name: String,
    /// The vector instructions that native's kernels use.
    pub instructions: String,
}

impl Processor {
    /// The one that runs this program.
    pub fn detect() -> Self {
        Self {
            name: processor(),
            instructions: Cpu::detect().names(),
        }
    }
}

/// A recording of the reference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// Who recorded it: `python` is the reference.
    pub engine: String,
    /// The reference's commit.
    pub commit: Option<String>,
    /// Versions of its libraries.
    pub libraries: BTreeMap<String, String>,
    /// When it was recorded.
    pub recorded_at: String,
    /// SHA-256 of its manifest, which has those of all its files.
    pub sha256: Option<String>,
}

/// Tokens that were each drawn from the golden's history, with its random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Draws {
    /// How many, marks of the end among them.
    pub drawn: usize,
    /// Other tokens than the reference's that an allowed error of the logits explains.
    pub explained: usize,
    /// All other ones.
    pub unexplained: usize,
    /// Other tokens as a share of all.
    pub share: f64,
}

/// Where logits were compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Places {
    /// At every draw, beside the exact engine's, which draws the golden's tokens.
    EveryDraw,
    /// At the positions for which the golden keeps them.
    KeptByGolden,
}

/// How far distributions of the next token are apart, over all places.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Logits {
    /// Which places.
    pub places: Places,
    /// How many.
    pub count: usize,
    /// Kullback-Leibler divergence from the reference, in nats: the mean.
    pub kl_mean: Value,
    /// The 99th percentile.
    pub kl_p99: Value,
    /// The 99.9th percentile.
    pub kl_p999: Value,
    /// The largest.
    pub kl_max: Value,
    /// Share of the places whose likeliest token is the same.
    pub same_top1: Value,
}

/// Sounds of the same tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sound {
    /// How many cases.
    pub cases: usize,
    /// How long the reference's are together, in seconds.
    pub seconds: f64,
    /// Where one is furthest from the reference's.
    pub worst_window: WorstWindow,
    /// The largest distance that its limit allows it, in dB.
    pub limit: Option<Value>,
}

/// The half second of all sounds that is furthest from the reference's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorstWindow {
    /// The distance of the log-mels in dB; the metric `mel_window`.
    pub mel_distance: Value,
    /// The case.
    pub case: String,
    /// `isolated`: the sound of the golden's tokens. `cascaded`: that of the engine's own.
    pub feed: Feed,
    /// Where the window begins, in seconds.
    pub start: f64,
    /// How long it is, in seconds.
    pub seconds: f64,
}
