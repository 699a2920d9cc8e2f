use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::judge::Verdict;
use crate::metric::Value;
use crate::stage::{Feed, Stage};

/// What is kept of a run for those after it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PastRun {
    /// When its report was written, as RFC 3339.
    pub made_at: String,
    /// Version of the program that wrote it.
    pub parity_version: String,
    /// The candidate's engine.
    pub engine: String,
    /// The engine's version.
    pub engine_version: String,
    /// The engine's commit.
    pub engine_commit: Option<String>,
    /// The device.
    pub device: String,
    /// The precision.
    pub precision: String,
    /// The model's short name.
    pub model: String,
    /// SHA-256 of the golden's manifest.
    pub golden_sha256: Option<String>,
    /// SHA-256 of the limits.
    pub limits_sha256: Option<String>,
    /// The number of cases.
    pub cases: usize,
    /// SHA-256 of their names.
    pub cases_sha256: String,
    /// The verdict, in words.
    pub verdict: String,
    /// Every stage under every feed, in order.
    pub stages: Vec<PastStage>,
}

/// A stage of a run, over all cases.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PastStage {
    /// The stage.
    pub stage: Stage,
    /// The feed.
    pub feed: Feed,
    /// The worst verdict of any case.
    pub verdict: Verdict,
    /// The smallest share of a limit that is left, over all cases; negative where a limit is broken,
    /// none where every limit demands equality.
    pub headroom: Option<Value>,
}

impl PastRun {
    /// Whether both are of one engine, on one kind of device, with one model and the same cases: only
    /// then does a difference between them say something.
    pub fn is_comparable(&self, other: &Self) -> bool {
        let what = |run: &'_ Self| {
            [
                &run.engine,
                &run.device,
                &run.precision,
                &run.model,
                &run.cases_sha256,
            ]
            .map(Clone::clone)
        };
        what(self) == what(other)
    }

    /// How much headroom a stage had.
    pub fn headroom(&self, stage: Stage, feed: Feed) -> Option<f64> {
        let of_stage = self
            .stages
            .iter()
            .find(|s| s.stage == stage && s.feed == feed);
        of_stage?.headroom.map(|h| h.0)
    }
}
