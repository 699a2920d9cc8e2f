//! What failed, in the order in which it should be read: by stage, introduced before inherited.

use crate::judge::{Cell, Origin, Verdict, explain};
use crate::report::model::{CaseReport, Report};
use crate::stage::Stage;

/// Cases that one line about their goldens names.
const NAMED: usize = 3;

/// A line about something that is not in parity.
pub(super) struct Failure {
    pub(super) verdict: Verdict,
    pub(super) words: String,
}

/// All of them: of the run, of goldens, and of the stages that introduced an error; then every
/// other stage that fails. `inherited` adds those that only pass on what they were given.
pub(super) fn failures(report: &Report, inherited: bool) -> Vec<Failure> {
    let missing = |words| Failure {
        verdict: Verdict::Missing,
        words,
    };
    let mut all: Vec<_> = report.problems().into_iter().map(missing).collect();
    all.extend(of_goldens(report));
    let mut first: Vec<(Stage, Failure)> = report.cases.iter().filter_map(introduced).collect();
    first.sort_by_key(|(stage, _)| *stage);
    let mut others: Vec<(Stage, Failure)> = Vec::new();
    for case in &report.cases {
        others.extend(further(case, inherited));
    }
    others.sort_by_key(|(stage, _)| *stage);
    all.extend(first.into_iter().chain(others).map(|(_, f)| f));
    all
}

/// How many stages of cases fail only on what earlier ones gave them.
pub(super) fn count_inherited(report: &Report) -> usize {
    let cells = report.cases.iter().flat_map(|c| &c.outcome.stages);
    let cells = cells.flat_map(|s| s.cells().map(|(_, cell)| cell));
    cells.filter(|cell| is_inherited(cell)).count()
}

fn is_inherited(cell: &Cell) -> bool {
    cell.verdict == Verdict::Fail && cell.origin == Some(Origin::Inherited)
}

/// Goldens that cannot be used; those that have the same fault share a line.
fn of_goldens(report: &Report) -> Vec<Failure> {
    let mut groups: Vec<(Verdict, &str, Vec<&str>)> = Vec::new();
    for outcome in report.cases.iter().map(|c| &c.outcome) {
        let Some(problem) = outcome.problem.as_deref() else {
            continue;
        };
        let same = groups
            .iter_mut()
            .find(|(verdict, words, _)| *verdict == outcome.verdict && *words == problem);
        match same {
            Some((_, _, cases)) => cases.push(&outcome.name),
            None => groups.push((outcome.verdict, problem, vec![&outcome.name])),
        }
    }
    let line = |(verdict, problem, cases): (Verdict, &str, Vec<&str>)| {
        let who = match cases.as_slice() {
            few if few.len() <= NAMED => few.join(", "),
            [first, .., last] => format!("{} cases, {first} to {last}", cases.len()),
            _ => String::new(),
        };
        Failure {
            verdict,
            words: format!("{who}: {problem}"),
        }
    };
    groups.into_iter().map(line).collect()
}

/// The stage that the case is blamed on, with why.
fn introduced(case: &CaseReport) -> Option<(Stage, Failure)> {
    let stage = case.outcome.first_introduced?;
    let row = case.outcome.stages.iter().find(|s| s.stage == stage)?;
    let failing = row.cells().filter(|(_, c)| c.verdict == Verdict::Fail);
    let why: Vec<_> = failing
        .map(|(feed, cell)| format!("{}: {}", feed.name(), explain(cell)))
        .collect();
    let name = &case.outcome.name;
    let what = match case.outcome.is_origin_known() {
        true => "introduced the error",
        false => "is wrong (nothing before it was recorded)",
    };
    let words = format!("{name}: {stage} {what}, {}", why.join(" — "));
    let verdict = Verdict::Fail;
    Some((stage, Failure { verdict, words }))
}

/// Every other stage of the case that fails.
fn further(case: &CaseReport, inherited: bool) -> Vec<(Stage, Failure)> {
    let outcome = &case.outcome;
    let blamed = outcome.first_introduced;
    // Where every stage passes on its own, what is inherited is all that there is to say.
    let mut only_inherited = blamed.is_none();
    let mut all = Vec::new();
    for row in outcome.stages.iter().filter(|s| Some(s.stage) != blamed) {
        for (feed, cell) in row.cells().filter(|(_, c)| c.verdict == Verdict::Fail) {
            let is_inherited = is_inherited(cell);
            if is_inherited && !inherited && !std::mem::take(&mut only_inherited) {
                continue;
            }
            let note = if is_inherited { ", inherited" } else { "" };
            let (name, feed, why) = (&outcome.name, feed.name(), explain(cell));
            let words = format!("{name}, {} {feed}{note}: {why}", row.stage);
            let verdict = Verdict::Fail;
            all.push((row.stage, Failure { verdict, words }));
        }
    }
    all
}
