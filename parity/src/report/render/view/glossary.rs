use std::collections::BTreeSet;

use serde::Serialize;

use crate::format::{number, unit};
use crate::judge::StageOutcome;
use crate::metric::Direction;
use crate::report::model::{MetricInfo, Report};

/// Explanations shared by the whole page: metrics, and the reasons for limits.
#[derive(Serialize)]
pub(in crate::report) struct Glossary {
    metrics: Vec<Definition>,
    reasons: Vec<String>,
}

/// A metric's definition.
#[derive(Serialize)]
pub(in crate::report) struct Definition {
    id: String,
    label: String,
    range: String,
    direction: &'static str,
    meaning: String,
    blind: bool,
}

impl Glossary {
    pub(in crate::report) fn of(report: &Report) -> Self {
        let outcomes = report.cases.iter().flat_map(|c| &c.outcome.stages);
        let cells = outcomes.flat_map(StageOutcome::cells);
        let values = cells.flat_map(|(_, cell)| &cell.values);
        let reasons: BTreeSet<&str> = values
            .flat_map(|v| &v.checks)
            .map(|c| c.reason.as_str())
            .collect();
        Self {
            metrics: report.metrics.iter().map(definition).collect(),
            reasons: reasons.into_iter().map(str::to_owned).collect(),
        }
    }

    /// The number of a reason in the glossary.
    pub(super) fn reason(&self, reason: &str) -> usize {
        self.reasons.iter().position(|r| r == reason).unwrap_or(0)
    }
}

pub(in crate::report) fn definition(info: &MetricInfo) -> Definition {
    Definition {
        id: info.metric.to_string(),
        label: info.label.clone(),
        range: format!(
            "{} to {}{}",
            number(info.low.0),
            number(info.high.0),
            unit(info.metric)
        ),
        direction: match info.direction {
            Direction::Lower => "lower is better",
            Direction::Higher => "higher is better",
            Direction::One => "1 is best",
        },
        meaning: info.meaning.clone(),
        blind: info.gain_blind,
    }
}
