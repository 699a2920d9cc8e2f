use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::judge::Verdict;
use crate::metric::{Metric, Value};
use crate::stage::{Feed, Key, Stage};

/// What changed since an earlier report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Trend {
    /// When the earlier report was written.
    pub baseline_made_at: String,
    /// The verdict of the earlier report.
    pub baseline_verdict: String,
    /// Stages of cases that are in both reports and did not change noticeably.
    pub unchanged: usize,
    /// What changed, in the order of the cases and stages.
    pub changes: Vec<Change>,
}

impl Trend {
    /// How many changes went in a direction.
    pub fn count(&self, direction: ChangeDirection) -> usize {
        self.changes
            .iter()
            .filter(|c| c.direction == direction)
            .count()
    }
}

/// The direction of a change.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeDirection {
    /// A worse verdict, or closer to a limit.
    Worse,
    /// A better verdict, or further from every limit.
    Better,
    /// Only in this report.
    New,
    /// Only in the earlier report.
    Gone,
}

/// One case, or one stage of it, that changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// The case.
    pub case: String,
    /// The stage and its feed; none if the whole case is new, gone or has another verdict.
    pub stage: Option<(Stage, Feed)>,
    /// The direction.
    #[serde(alias = "course")]
    pub direction: ChangeDirection,
    /// The verdict before.
    pub from: Option<Verdict>,
    /// The verdict now.
    pub to: Option<Verdict>,
    /// The measure that changed most, if the verdict is the same.
    pub measure: Option<MeasureChange>,
}

/// A measure that changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MeasureChange {
    /// The value's key.
    pub key: Key,
    /// The metric.
    pub metric: Metric,
    /// The value before.
    pub before: Value,
    /// The value now.
    pub after: Value,
}
