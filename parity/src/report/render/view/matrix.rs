use std::collections::BTreeSet;

use serde::Serialize;

use super::mark::Mark;
use crate::case::{Case, Keep, Text};
use crate::judge::{Check, StageOutcome, Verdict, is_exact, margin};
use crate::report::model::{CaseReport, ChangeDirection, Report};
use crate::stage::{Feed, Stage};

/// The matrix of cases by stages.
#[derive(Serialize)]
pub(in crate::report) struct Matrix {
    stages: Vec<String>,
    groups: Vec<Group>,
}

/// Rows that are shown or folded together.
#[derive(Serialize)]
struct Group {
    id: &'static str,
    title: String,
    /// Whether it is folded at first: it has many rows, all of which pass.
    folded: bool,
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    case: String,
    mode: &'static str,
    mark: Mark,
    /// The verdicts of the case and its stages, for the filter.
    has: String,
    /// The text that the search matches.
    search: String,
    /// The smallest share of a limit that is left, for sorting; below every other if the case fails
    /// where nothing may differ.
    headroom: f64,
    cells: Vec<CellView>,
}

#[derive(Serialize)]
struct CellView {
    stage: String,
    first: bool,
    isolated: Mark,
    cascaded: Mark,
    /// Change since the earlier report: `▲ better`, `▼ worse`.
    direction: Option<(&'static str, &'static str)>,
    /// Whether the stage does not apply to the case.
    empty: bool,
}

/// Maximum number of rows of a group of token lists that starts unfolded.
const FEW: usize = 5;

pub(in crate::report) fn matrix(report: &Report) -> Matrix {
    let keep = |case: &&CaseReport, wanted| {
        let kept = case
            .outcome
            .case
            .as_ref()
            .map_or(Keep::Everything, |c| c.keep);
        kept == wanted
    };
    let group = |id, wanted, what: &str| {
        let cases: Vec<_> = report.cases.iter().filter(|c| keep(c, wanted)).collect();
        let verdict = Verdict::of(cases.iter().map(|c| c.outcome.verdict));
        let passed = cases
            .iter()
            .filter(|c| c.outcome.verdict == Verdict::Pass)
            .count();
        Group {
            id,
            title: format!("{what}: {passed} of {} cases pass", cases.len()),
            folded: id == "tokens" && cases.len() > FEW && verdict == Verdict::Pass,
            rows: cases.into_iter().map(|c| row(report, c)).collect(),
        }
    };
    let groups = [
        group("whole", Keep::Everything, "Every stage"),
        group("sound", Keep::Sound, "Without the steps between"),
        group("tokens", Keep::Tokens, "Texts and tokens alone"),
    ];
    Matrix {
        stages: report.stages.iter().map(|s| s.stage.to_string()).collect(),
        groups: groups.into_iter().filter(|g| !g.rows.is_empty()).collect(),
    }
}

fn row(report: &Report, case: &CaseReport) -> Row {
    let outcome = &case.outcome;
    let mut has: BTreeSet<&str> = BTreeSet::from([outcome.verdict.name()]);
    let cells = outcome.stages.iter().flat_map(StageOutcome::cells);
    // A case passes only if every stage does, so `pass` of a single stage is left out.
    has.extend(
        cells
            .map(|(_, c)| c.verdict)
            .filter(|v| *v != Verdict::Pass)
            .map(Verdict::name),
    );
    let inputs = outcome.case.as_ref();
    let mode = inputs.map_or("", |c| c.mode_name().name());
    let text = inputs
        .and_then(Case::text)
        .map_or_else(String::new, Text::joined);
    Row {
        case: outcome.name.clone(),
        mode,
        mark: Mark::of(outcome.verdict, None),
        has: has.into_iter().collect::<Vec<_>>().join(" "),
        search: format!("{} {mode} {text}", outcome.name).to_lowercase(),
        headroom: headroom(&outcome.stages),
        cells: report
            .stages
            .iter()
            .map(|info| cell(report, case, info.stage))
            .collect(),
    }
}

/// The smallest share of a limit that is left in any stage. JSON has no infinity.
fn headroom(stages: &[StageOutcome]) -> f64 {
    let cells = stages.iter().flat_map(StageOutcome::cells);
    let checks = cells
        .flat_map(|(_, c)| &c.values)
        .flat_map(|v| &v.checks)
        .filter(|c| c.value.is_some() && !c.by_floor);
    let left = |check: &Check| match (is_exact(check), check.passed) {
        (true, true) => f64::MAX,
        (true, false) => f64::MIN,
        (false, _) => margin(check).clamp(f64::MIN, f64::MAX),
    };
    checks.map(left).fold(f64::MAX, f64::min)
}

fn cell(report: &Report, case: &CaseReport, stage: Stage) -> CellView {
    let outcome = &case.outcome;
    let found = outcome.stages.iter().find(|s| s.stage == stage);
    let mark = |feed| {
        let cell = found.and_then(|s| s.cell(feed));
        cell.map_or_else(Mark::none, |c| Mark::of(c.verdict, c.origin))
    };
    let changes = report.trend.iter().flat_map(|t| &t.changes);
    let here = changes.filter(|c| c.case == outcome.name && c.stage.is_some_and(|s| s.0 == stage));
    let direction = here
        .map(|c| c.direction)
        .min()
        .and_then(|direction| match direction {
            ChangeDirection::Worse => Some(("▼", "worse than before")),
            ChangeDirection::Better => Some(("▲", "better than before")),
            ChangeDirection::New | ChangeDirection::Gone => None,
        });
    CellView {
        stage: stage.to_string(),
        first: outcome.first_introduced == Some(stage),
        isolated: mark(Feed::Isolated),
        cascaded: mark(Feed::Cascaded),
        direction,
        empty: found.is_none_or(|s| s.cells().next().is_none()),
    }
}
