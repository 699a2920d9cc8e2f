use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::tolerances::Floor;
use super::value_diff::Detail;
use crate::case::Case;
use crate::metric::{Measures, Metric, Value};
use crate::stage::{Feed, Key, Stage};

/// The result of a comparison. Only [`Verdict::Pass`] is green.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Within every limit.
    Pass,
    /// Left out on purpose, with a reason.
    Skipped,
    /// One side, or something needed to judge it, is missing.
    Missing,
    /// A limit is exceeded, or the shapes differ.
    Fail,
    /// The golden was made from other inputs, weights or versions.
    Stale,
    /// The golden cannot be read.
    Damaged,
}

impl Verdict {
    /// Every verdict, from good to bad.
    pub const ALL: [Self; 6] = [
        Self::Pass,
        Self::Skipped,
        Self::Missing,
        Self::Fail,
        Self::Stale,
        Self::Damaged,
    ];

    /// The name in files and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Skipped => "skipped",
            Self::Missing => "missing",
            Self::Fail => "fail",
            Self::Stale => "stale",
            Self::Damaged => "damaged",
        }
    }

    /// The worst of several verdicts; skipped only if there is no other.
    pub fn of(verdicts: impl IntoIterator<Item = Self>) -> Self {
        let rank = |v: &Self| if *v == Self::Skipped { -1 } else { *v as i32 };
        verdicts
            .into_iter()
            .max_by_key(rank)
            .unwrap_or(Self::Skipped)
    }
}

/// The origin of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The stage fails on the golden's inputs, or fails first.
    Introduced,
    /// The stage passes on the golden's inputs and fails on those of earlier stages.
    Inherited,
}

/// The outcome of one case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CaseOutcome {
    /// The case's name.
    pub name: String,
    /// The case as the golden has it, if it could be read.
    pub case: Option<Case>,
    /// The worst verdict of its stages, or the state of its golden.
    pub verdict: Verdict,
    /// Why no stage was compared, if none was.
    pub problem: Option<String>,
    /// Whether the golden, not the candidate, has to be repaired.
    pub golden_at_fault: bool,
    /// The first stage that introduced an error.
    pub first_introduced: Option<Stage>,
    /// The stages that the case passes through, in order.
    pub stages: Vec<StageOutcome>,
}

/// The reason of a cell whose case the candidate does not have.
pub(crate) const NO_CASE: &str = "the candidate lacks the case";

impl CaseOutcome {
    /// Whether the candidate has the case, however little of it.
    pub fn is_recorded(&self) -> bool {
        let mut cells = self.stages.iter().flat_map(StageOutcome::cells);
        cells.any(|(_, cell)| !cell.is_of_no_case())
    }

    /// Whether some value of the case was held against the golden's.
    pub(crate) fn has_compared(&self) -> bool {
        let mut cells = self.stages.iter().flat_map(StageOutcome::cells);
        cells.any(|(_, c)| matches!(c.verdict, Verdict::Pass | Verdict::Fail))
    }

    /// Whether the error is known to come from the stage that the case is blamed on: it fails on
    /// the golden's own inputs, or a stage before it passes. Otherwise all that is known is that
    /// nothing before it was recorded.
    pub(crate) fn is_origin_known(&self) -> bool {
        let Some(first) = self.first_introduced else {
            return false;
        };
        let is = |cell: Option<&Cell>, verdict| cell.is_some_and(|c| c.verdict == verdict);
        let mut rows = self.stages.iter().take_while(|row| row.stage <= first);
        rows.any(|row| match row.stage == first {
            true => is(row.cell(Feed::Isolated), Verdict::Fail),
            false => row.cells().any(|(_, c)| c.verdict == Verdict::Pass),
        })
    }
}

/// One stage of a case under both feeds; `None` if a feed does not have the stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StageOutcome {
    /// The stage.
    pub stage: Stage,
    /// Fed with the golden's inputs.
    pub isolated: Option<Cell>,
    /// Fed with the candidate's own.
    pub cascaded: Option<Cell>,
}

impl StageOutcome {
    /// The cell of a feed.
    pub fn cell(&self, feed: Feed) -> Option<&Cell> {
        match feed {
            Feed::Isolated => self.isolated.as_ref(),
            Feed::Cascaded => self.cascaded.as_ref(),
        }
    }

    /// Both cells, isolated first.
    pub fn cells(&self) -> impl Iterator<Item = (Feed, &Cell)> {
        Feed::ALL
            .into_iter()
            .filter_map(|feed| self.cell(feed).map(|cell| (feed, cell)))
    }
}

/// One stage of a case under one feed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cell {
    /// The worst verdict of its values.
    pub verdict: Verdict,
    /// The reason, unless it is a limit.
    pub reason: Option<String>,
    /// The origin of the error, if there is one.
    pub origin: Option<Origin>,
    /// The values: one for each segment if the stage has segments.
    pub values: Vec<ValueOutcome>,
}

impl Cell {
    /// Whether it is missing because the candidate does not have the case at all.
    pub(crate) fn is_of_no_case(&self) -> bool {
        self.verdict == Verdict::Missing && self.reason.as_deref() == Some(NO_CASE)
    }
}

/// One tensor, text, token list or sound.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ValueOutcome {
    /// The key of the value.
    pub key: Key,
    /// The verdict.
    pub verdict: Verdict,
    /// The reason, unless it is a limit.
    pub reason: Option<String>,
    /// The reference's own error in dB of the signal, where it is so large that it could not have
    /// been measured: absolute limits take the place of multiples of it.
    #[serde(default)]
    pub unmeasured_noise: Option<Value>,
    /// Every limit that applied.
    pub checks: Vec<Check>,
    /// Everything that was measured.
    pub measures: Measures,
    /// Details that measures cannot express: alignments, texts, errors over time.
    pub detail: Option<Detail>,
}

/// A measure checked against its limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// The metric.
    pub metric: Metric,
    /// The measured value, if it could be measured.
    pub value: Option<Value>,
    /// The largest value allowed.
    pub at_most: Option<Value>,
    /// The smallest value allowed.
    pub at_least: Option<Value>,
    /// The error below which the limit holds regardless of the metric.
    #[serde(default)]
    pub floor: Option<CheckedFloor>,
    /// How far the value is from the limit: dB for dB, else the share of the limit that is left.
    pub headroom: Option<Value>,
    /// Whether the limit holds.
    pub passed: bool,
    /// Whether the limit holds only because the error is below the absolute floor.
    pub by_floor: bool,
    /// Why the limit is what it is.
    pub reason: String,
}

/// An error that is small enough, whatever the metric of the limit says.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CheckedFloor {
    /// The metric of the error.
    pub metric: Metric,
    /// The largest value of it that is small enough.
    pub at_most: Value,
}

impl CheckedFloor {
    pub(super) fn of(floor: Floor) -> Self {
        Self {
            metric: floor.metric,
            at_most: Value(floor.at_most),
        }
    }
}

impl Check {
    /// Whether the value is within its bounds. NaN never is, and a check without bounds holds
    /// nothing.
    pub(crate) fn is_within(&self) -> bool {
        let bounded = self.at_most.is_some() || self.at_least.is_some();
        let value = self.value.map_or(f64::NAN, |v| v.0);
        let value = if self.metric == Metric::Lag {
            value.abs()
        } else {
            value
        };
        bounded
            && self.at_most.is_none_or(|l| value <= l.0)
            && self.at_least.is_none_or(|l| value >= l.0)
            && !value.is_nan()
    }

    /// Whether the error is below the floor.
    pub(crate) fn is_below_floor(&self, measures: &Measures) -> bool {
        let below = |f: CheckedFloor| size(measures, f.metric).is_some_and(|v| v <= f.at_most.0);
        self.floor.is_some_and(below)
    }
}

/// A measure as limits judge it: a lag by its size.
pub(super) fn size(measures: &Measures, metric: Metric) -> Option<f64> {
    let value = measures.get(&metric)?.0;
    Some(if metric == Metric::Lag {
        value.abs()
    } else {
        value
    })
}
