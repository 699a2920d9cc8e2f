use std::collections::BTreeSet;

use serde::Serialize;

use super::mark::Mark;
use crate::case::{Case, Keep, Text};
use crate::judge::{StageOutcome, Verdict};
use crate::report::json::{CaseReport, Report};
use crate::report::trend::ChangeDirection;
use crate::stage::{Feed, Stage};

/// The matrix of cases by stages.
#[derive(Serialize)]
pub(in crate::report) struct Matrix {
    stages: Vec<String>,
    groups: Vec<Group>,
}

/// Rows that are shown, or folded away, together.
#[derive(Serialize)]
struct Group {
    id: &'static str,
    title: String,
    /// Whether it is folded away at first: many rows, none of which asks for attention.
    folded: bool,
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    case: String,
    mode: &'static str,
    mark: Mark,
    /// The verdicts that the case and its stages have, to filter by.
    has: String,
    /// What the search looks at.
    search: String,
    cells: Vec<CellView>,
}

#[derive(Serialize)]
struct CellView {
    stage: String,
    first: bool,
    isolated: Mark,
    cascaded: Mark,
    /// Since the earlier report: `▲ better`, `▼ worse`.
    course: Option<(&'static str, &'static str)>,
    /// Whether the stage says anything about the case.
    empty: bool,
}

/// Rows up to which a group of token lists is not folded away.
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
            title: format!("{} {what}: {passed} pass", cases.len()),
            folded: id == "tokens" && cases.len() > FEW && verdict == Verdict::Pass,
            rows: cases.into_iter().map(|c| row(report, c)).collect(),
        }
    };
    let groups = [
        group("whole", Keep::Everything, "cases with every stage"),
        group("sound", Keep::Sound, "cases without the steps between"),
        group("tokens", Keep::Tokens, "cases of texts and tokens alone"),
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
    // A case passed if all of it did; anything else about it can be filtered by its worst.
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
        cells: report
            .stages
            .iter()
            .map(|info| cell(report, case, info.stage))
            .collect(),
    }
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
    let course = here
        .map(|c| c.course)
        .min()
        .and_then(|course| match course {
            ChangeDirection::Worse => Some(("▼", "worse than before")),
            ChangeDirection::Better => Some(("▲", "better than before")),
            ChangeDirection::New | ChangeDirection::Gone => None,
        });
    CellView {
        stage: stage.to_string(),
        first: outcome.first_introduced == Some(stage),
        isolated: mark(Feed::Isolated),
        cascaded: mark(Feed::Cascaded),
        course,
        empty: found.is_none_or(|s| s.cells().next().is_none()),
    }
}
