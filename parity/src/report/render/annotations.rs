//! A run on GitHub: a few annotations, and everything else in the step summary.

use std::fmt::Write as _;

use super::gaps::gaps;
use crate::judge::{Cell, Origin, StageOutcome, Verdict, explain};
use crate::report::model::{CaseReport, ChangeDirection, Report};
use crate::stage::{Feed, Stage};

/// Maximum number of annotations of a run; GitHub shows at most ten for each step.
const WORST: usize = 5;

/// Workflow commands for the worst few cells, introduced errors first, one on each line.
pub fn annotations(report: &Report) -> String {
    let mut out = String::new();
    for problem in report.problems() {
        command(&mut out, report.status().meaning(), &problem);
    }
    for case in report
        .cases
        .iter()
        .filter(|c| c.outcome.problem.is_some())
        .take(WORST)
    {
        let problem = case.outcome.problem.as_deref().unwrap_or_default();
        let title = format!("{}: {}", case.outcome.name, case.outcome.verdict.name());
        command(&mut out, &title, problem);
    }
    let mut bad = bad_cells(report);
    bad.sort_by_key(|b| {
        (
            b.cell.origin != Some(Origin::Introduced),
            b.case.outcome.first_introduced != Some(b.stage),
        )
    });
    for b in bad.iter().take(WORST.saturating_sub(out.lines().count())) {
        let name = &b.case.outcome.name;
        let title = format!("{name}: {} {}", b.stage, b.feed.name());
        command(&mut out, &title, &explain(b.cell));
    }
    for gap in gaps(report)
        .iter()
        .take(WORST.saturating_sub(out.lines().count()))
    {
        command(&mut out, Verdict::Missing.name(), gap);
    }
    out
}

/// One `::error` line, in which GitHub wants percent signs and line ends escaped.
fn command(out: &mut String, title: &str, message: &str) {
    let data = |text: &str| {
        text.replace('%', "%25")
            .replace('\r', "%0D")
            .replace('\n', "%0A")
    };
    let title = data(title).replace(':', "%3A").replace(',', "%2C");
    let _ = writeln!(out, "::error title={title}::{}", data(message));
}

struct Bad<'a> {
    case: &'a CaseReport,
    stage: Stage,
    feed: Feed,
    cell: &'a Cell,
}

fn bad_cells(report: &Report) -> Vec<Bad<'_>> {
    let mut all = Vec::new();
    for case in &report.cases {
        for stage in &case.outcome.stages {
            for (feed, cell) in stage.cells() {
                if cell.verdict == Verdict::Fail {
                    all.push(Bad {
                        case,
                        stage: stage.stage,
                        feed,
                        cell,
                    });
                }
            }
        }
    }
    all
}

/// The run as Markdown: the verdict, every stage, every failure and what was not covered.
pub fn step_summary(report: &Report) -> String {
    let sign = if report.is_parity() { "✅" } else { "❌" };
    let mut out = format!("## {sign} {}\n\n", report.status().meaning());
    for problem in report.problems() {
        let _ = writeln!(out, "**{}**\n", text(&problem));
    }
    let golden = &report.golden;
    for c in &report.candidates {
        let (device, precision) = (text(&c.device), text(&c.precision));
        let _ = writeln!(
            out,
            "- {}: {} {} on {device} {precision}, held to {} {} of {}",
            c.feed.name(),
            text(&c.engine),
            text(&c.version),
            text(&golden.engine),
            text(&golden.version),
            text(&golden.model)
        );
    }
    if let Some(trend) = &report.trend {
        let (worse, better) = (
            trend.count(ChangeDirection::Worse),
            trend.count(ChangeDirection::Better),
        );
        let since = text(&trend.baseline_made_at);
        let _ = writeln!(
            out,
            "- since {since}: {worse} worse, {better} better, {} unchanged",
            trend.unchanged
        );
    }
    out.push_str("\n| stage | isolated | cascaded |\n|---|---|---|\n");
    for info in &report.stages {
        let rows = || {
            report
                .cases
                .iter()
                .flat_map(|c| &c.outcome.stages)
                .filter(|s| s.stage == info.stage)
        };
        let feed = |feed| tally(rows().filter_map(move |s: &StageOutcome| s.cell(feed)));
        let _ = writeln!(
            out,
            "| {} | {} | {} |",
            info.stage,
            feed(Feed::Isolated),
            feed(Feed::Cascaded)
        );
    }
    let problems = report
        .cases
        .iter()
        .filter_map(|c| Some((&c.outcome, c.outcome.problem.as_ref()?)));
    let bad = bad_cells(report);
    let gaps = gaps(report);
    if !(bad.is_empty() && gaps.is_empty()) || problems.clone().next().is_some() {
        out.push_str(
            "\n### Not in parity\n\n| case | stage | verdict | why |\n|---|---|---|---|\n",
        );
    }
    for (outcome, problem) in problems {
        let verdict = outcome.verdict.name();
        let _ = writeln!(
            out,
            "| {} | | {verdict} | {} |",
            text(&outcome.name),
            text(problem)
        );
    }
    for b in &bad {
        let origin = match b.cell.origin {
            Some(Origin::Inherited) => ", inherited",
            Some(Origin::Introduced) => ", introduced here",
            None => "",
        };
        let (name, verdict) = (text(&b.case.outcome.name), b.cell.verdict.name());
        let why = text(&explain(b.cell));
        let _ = writeln!(
            out,
            "| {name} | {} {} | {verdict}{origin} | {why} |",
            b.stage,
            b.feed.name()
        );
    }
    for gap in gaps {
        let verdict = Verdict::Missing.name();
        let _ = writeln!(out, "| | | {verdict} | {} |", text(&gap));
    }
    if !report.not_covered.is_empty() {
        out.push_str("\n### Not covered\n\n");
        for line in &report.not_covered {
            let _ = writeln!(out, "- {}", text(line));
        }
    }
    out
}

/// `3/3`, or `fail 1/3` if not all pass.
fn tally<'a>(cells: impl Iterator<Item = &'a Cell>) -> String {
    let verdicts: Vec<Verdict> = cells.map(|c| c.verdict).collect();
    let passed = verdicts.iter().filter(|v| **v == Verdict::Pass).count();
    match Verdict::of(verdicts.iter().copied()) {
        _ if verdicts.is_empty() => "–".into(),
        Verdict::Pass => format!("{passed}/{}", verdicts.len()),
        worst => format!("{} {passed}/{}", worst.name(), verdicts.len()),
    }
}

/// Escapes text for a table cell.
fn text(text: &str) -> String {
    let escaped = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('|', "\\|");
    escaped.replace(['\n', '\r'], " ")
}
