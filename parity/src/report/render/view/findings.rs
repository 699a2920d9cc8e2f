//! What went wrong, grouped by where it begins and by the mistake that it looks like.

use serde::Serialize;

use super::mark::Mark;
use crate::judge::{Verdict, explain};
use crate::report::model::{CaseReport, Report};
use crate::report::render::headline::begins;

/// Cases of a group that are shown at first.
const FEW: usize = 3;

/// Cases in which the same thing went wrong.
#[derive(Serialize)]
pub(super) struct Group {
    mark: Mark,
    /// The stage, if the golden can be used.
    stage: Option<String>,
    what: String,
    /// The known mistake whose sign there is.
    cause: Option<&'static str>,
    cases: Vec<Finding>,
    /// How many cases are shown at first.
    few: usize,
}

/// What is wrong with a case.
#[derive(Serialize)]
struct Finding {
    case: String,
    why: String,
}

/// What is wrong with the golden comes first; then by the stage in which it begins. A case that only
/// lacks something is told by stage, elsewhere.
pub(super) fn findings(report: &Report) -> Vec<Group> {
    let mut at_fault: Vec<_> = report
        .cases
        .iter()
        .filter(|c| c.outcome.verdict != Verdict::Missing || c.outcome.problem.is_some())
        .collect();
    at_fault.sort_by_key(|c| begins(c));
    let mut groups: Vec<Group> = Vec::new();
    for case in at_fault {
        let Some((group, finding)) = finding(case) else {
            continue;
        };
        let same = |g: &&mut Group| {
            (&g.stage, &g.what, &g.cause) == (&group.stage, &group.what, &group.cause)
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.cases.push(finding),
            None => groups.push(Group {
                cases: vec![finding],
                ..group
            }),
        }
    }
    groups
}

/// The group that a case belongs to, still empty, and what the case adds to it.
fn finding(case: &CaseReport) -> Option<(Group, Finding)> {
    let outcome = &case.outcome;
    let found = |stage: Option<String>, what: String, cause, why| {
        let group = Group {
            mark: Mark::of(outcome.verdict, None),
            stage,
            what,
            cause,
            cases: Vec::new(),
            few: FEW,
        };
        let case = outcome.name.clone();
        (group, Finding { case, why })
    };
    if let Some(problem) = &outcome.problem {
        let what = format!("the golden is {}", outcome.verdict.name());
        return Some(found(None, what, None, problem.clone()));
    }
    let bad = |v: Verdict| v == Verdict::Fail;
    let first = outcome.first_introduced;
    let stage = outcome.stages.iter().find(|s| match first {
        Some(first) => s.stage == first,
        None => s.cells().any(|(_, c)| bad(c.verdict)),
    })?;
    let (feed, cell) = stage.cells().find(|(_, c)| bad(c.verdict))?;
    let feed = feed.name();
    let what = match (first, outcome.is_origin_known()) {
        (Some(_), true) => format!("introduced the error ({feed})"),
        (Some(_), false) => format!("is wrong ({feed}), and nothing before it was recorded"),
        (None, _) => format!("fails ({feed}), although every stage passes on its own"),
    };
    let cause = case.clues.first().map(|clue| clue.cause.words());
    let stage = Some(stage.stage.to_string());
    Some(found(stage, what, cause, explain(cell)))
}
