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
    /// Its verdict.
    pub baseline_verdict: String,
    /// Stages of cases that are in both reports and changed by no more than noise.
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

/// Which way something went.
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
    /// Only in the earlier one.
    Gone,
}

/// One case, or one stage of it, that changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// The case.
    pub case: String,
    /// The stage and its feed; none where the case as a whole is new, gone or judged otherwise.
    pub stage: Option<(Stage, Feed)>,
    /// Which way it went.
    #[serde(alias = "course")]
    pub direction: ChangeDirection,
    /// The verdict before.
    pub from: Option<Verdict>,
    /// The verdict now.
    pub to: Option<Verdict>,
    /// The measure that moved most, where the verdict is the same.
    pub measure: Option<MeasureChange>,
}

/// A measure that moved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MeasureChange {
    /// The value's key.
    pub key: Key,
    /// The metric.
    pub metric: Metric,
    /// Before.
    pub before: Value,
    /// Now.
    pub after: Value,
}
