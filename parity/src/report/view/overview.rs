use serde::Serialize;

use super::curves::lengths;
use super::mark::Mark;
use crate::judge::{StageOutcome, Verdict};
use crate::report::format::{number, unit};
use crate::report::json::{CaseReport, Report};
use crate::report::junit::explain;
use crate::report::terminal::{is_exact, margin, tight};
use crate::report::trend::{Change, Course, Trend};

/// The top of the report.
#[derive(Serialize)]
pub(in crate::report) struct Overview {
    counts: Vec<Count>,
    /// The check that holds by least, of those that have a margin.
    closest: Option<Closest>,
    findings: Vec<Finding>,
    more_findings: usize,
    trend: Option<TrendView>,
    lengths: Option<Lengths>,
}

/// How many stages of cases have a verdict.
#[derive(Serialize)]
struct Count {
    mark: Mark,
    name: &'static str,
    cases: usize,
    cells: usize,
}

/// A check that holds, and by how little.
#[derive(Serialize)]
struct Closest {
    case: String,
    stage: String,
    words: String,
}

/// What is wrong with a case.
#[derive(Serialize)]
struct Finding {
    case: String,
    stage: Option<String>,
    what: String,
    why: String,
    mark: Mark,
}

#[derive(Serialize)]
struct TrendView {
    made_at: String,
    verdict: String,
    worse: usize,
    better: usize,
    unchanged: usize,
    changes: Vec<ChangeView>,
}

#[derive(Serialize)]
struct ChangeView {
    symbol: &'static str,
    course: &'static str,
    case: String,
    stage: Option<String>,
    feed: &'static str,
    what: String,
}

/// Token lists by length.
#[derive(Serialize)]
struct Lengths {
    lists: usize,
    equal: usize,
    longest: usize,
    plot: Option<String>,
}

/// Cases of which the page says at the top what is wrong with them.
const FINDINGS: usize = 8;

pub(in crate::report) fn overview(report: &Report) -> Overview {
    let mut findings: Vec<_> = report.cases.iter().filter_map(finding).collect();
    let more_findings = findings.len().saturating_sub(FINDINGS);
    findings.truncate(FINDINGS);
    let summary = &report.summary;
    let cases = |v| summary.cases.get(&v).copied().unwrap_or(0);
    let count = |verdict: Verdict| Count {
        mark: Mark::of(verdict, None),
        name: verdict.name(),
        cases: cases(verdict),
        cells: summary.cells(verdict),
    };
    let pairs: Vec<_> = report
        .cases
        .iter()
        .flat_map(|c| length_pairs(&c.outcome.stages))
        .collect();
    Overview {
        closest: closest(report),
        counts: Verdict::ALL.into_iter().map(count).collect(),
        findings,
        more_findings,
        trend: report.trend.as_ref().map(trend),
        lengths: (!pairs.is_empty()).then(|| Lengths {
            lists: pairs.len(),
            equal: pairs.iter().filter(|(r, c)| r == c).count(),
            longest: pairs.iter().map(|(r, c)| r.abs_diff(*c)).max().unwrap_or(0),
            plot: lengths(&pairs),
        }),
    }
}

fn closest(report: &Report) -> Option<Closest> {
    let stages = report
        .cases
        .iter()
        .flat_map(|c| c.outcome.stages.iter().map(move |s| (c, s)));
    let checks = stages.flat_map(|(case, stage)| {
        let values = stage.cells().flat_map(|(_, cell)| &cell.values);
        values
            .flat_map(|v| &v.checks)
            .map(move |check| (case, stage, check))
    });
    let margins = checks.filter(|(.., c)| c.passed && !c.by_floor && !is_exact(c));
    let (case, stage, check) = margins.min_by(|a, b| margin(a.2).total_cmp(&margin(b.2)))?;
    Some(Closest {
        case: case.outcome.name.clone(),
        stage: stage.stage.to_string(),
        words: tight(check),
    })
}

/// Lengths of the sampled tokens of both sides: cascaded where there is such a run.
fn length_pairs(stages: &[StageOutcome]) -> Vec<(usize, usize)> {
    let sampled = stages
        .iter()
        .find(|s| s.stage == crate::stage::Stage::LlmTokens);
    let cell = sampled.and_then(|s| s.cascaded.as_ref().or(s.isolated.as_ref()));
    let details = cell
        .iter()
        .flat_map(|c| &c.values)
        .filter_map(|v| v.detail.as_ref());
    let lists = details.flat_map(|d| match d {
        crate::judge::Detail::Tokens { lists } => lists.as_slice(),
        _ => &[],
    });
    lists.map(|l| (l.reference_len, l.candidate_len)).collect()
}

fn finding(case: &CaseReport) -> Option<Finding> {
    let outcome = &case.outcome;
    let found = |stage: Option<String>, what: String, why: String| Finding {
        case: outcome.name.clone(),
        stage,
        what,
        why,
        mark: Mark::of(outcome.verdict, None),
    };
    if let Some(problem) = &outcome.problem {
        let what = format!("the golden is {}", outcome.verdict.name());
        return Some(found(None, what, problem.clone()));
    }
    let bad = |v: Verdict| matches!(v, Verdict::Fail | Verdict::Missing);
    let first = outcome.first_introduced;
    let stage = outcome.stages.iter().find(|s| match first {
        Some(first) => s.stage == first,
        None => s.cells().any(|(_, c)| bad(c.verdict)),
    })?;
    let (feed, cell) = stage.cells().find(|(_, c)| bad(c.verdict))?;
    let what = match (first.is_some(), cell.verdict) {
        (true, _) => format!("introduced the error ({})", feed.name()),
        (false, Verdict::Missing) => format!("is missing ({})", feed.name()),
        (false, _) => format!("fails ({}), though every stage alone holds", feed.name()),
    };
    Some(found(Some(stage.stage.to_string()), what, explain(cell)))
}

fn trend(trend: &Trend) -> TrendView {
    TrendView {
        made_at: trend.baseline_made_at.clone(),
        verdict: trend.baseline_verdict.clone(),
        worse: trend.count(Course::Worse),
        better: trend.count(Course::Better),
        unchanged: trend.unchanged,
        changes: trend.changes.iter().map(change).collect(),
    }
}

fn change(change: &Change) -> ChangeView {
    let (symbol, course) = match change.course {
        Course::Worse => ("▼", "worse"),
        Course::Better => ("▲", "better"),
        Course::New => ("+", "new"),
        Course::Gone => ("−", "gone"),
    };
    let verdict = |v: Option<Verdict>| v.map_or("", Verdict::name);
    let what = match (&change.measure, change.from, change.to) {
        (Some(m), ..) => {
            let unit = unit(m.metric);
            let label = m.metric.definition().label;
            let (before, after) = (number(m.before.0), number(m.after.0));
            format!("{}: {label} {before}{unit} → {after}{unit}", m.key)
        }
        (None, Some(from), Some(to)) => format!("{} → {}", from.name(), to.name()),
        (None, from, to) => verdict(to.or(from)).to_owned(),
    };
    ChangeView {
        symbol,
        course,
        case: change.case.clone(),
        stage: change.stage.map(|s| s.0.to_string()),
        feed: change.stage.map_or("", |s| s.1.name()),
        what,
    }
}
