use std::fmt::Write as _;
use std::path::Path;

use anstyle::{AnsiColor, Style};

use super::failures::{count_inherited, failures as list_failures};
use super::gaps::gaps;
use super::headline::Headline;
use crate::format::number;
use crate::judge::partings::explained_and_not;
use crate::judge::{Cell, StageOutcome, Verdict, closest_to_limit, held_to_limit};
use crate::report::model::{
    CaseReport, ChangeDirection, LengthParity, RecordingInfo, Report, Trend,
};
use crate::stage::{Feed, Stage};

/// Columns of a terminal at its usual width.
const WIDTH: usize = 80;
/// Maximum number of failures that are printed; the report has all.
const SHOWN: usize = 8;
/// Maximum number of likely causes that are printed before the table.
const LIKELY: usize = 2;

/// How much of a report is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// The verdict and the first few failures.
    Quiet,
    /// A line for each stage, and the first few failures.
    #[default]
    Normal,
    /// Every case's stages, and every failure.
    Verbose,
}

/// Where a reader finds what was left out.
#[derive(Clone, Copy, Debug)]
pub enum Rest<'a> {
    /// The page of the report, which was written there.
    Page(&'a Path),
    /// The options that show it, as no page was written.
    Options(&'a str),
}

/// The report as a table of 80 columns, with colours for a terminal that has them. What is wrong
/// comes first.
pub fn table(report: &Report, detail: Detail, rest: Rest<'_>) -> String {
    let mut out = String::new();
    headline(&mut out, report);
    if detail == Detail::Quiet {
        if !report.is_parity() {
            failures(&mut out, report, detail, rest);
        }
        verdict_line(&mut out, report);
        return out.trim_start_matches('\n').to_owned();
    }
    line(
        &mut out,
        &format!("golden     {}", recording_line(&report.golden)),
    );
    for candidate in &report.candidates {
        line(
            &mut out,
            &format!(
                "{:<10} {}",
                candidate.feed.name(),
                recording_line(candidate)
            ),
        );
    }
    out.push('\n');
    let header = format!(
        "{:<24} {:<11} {:<11} {}",
        "stage", "isolated", "cascaded", "closest to its limit"
    );
    styled(&mut out, Style::new().bold(), &header);
    out.push('\n');
    for info in &report.stages {
        stage_row(&mut out, report, info.stage, detail);
    }
    if let Some(lengths) = &report.length_parity {
        lengths_line(&mut out, lengths);
    }
    partings_line(&mut out, report);
    if let Some(texts) = &report.text_corpus {
        line(&mut out, &texts.to_string());
    }
    if let Some(draws) = &report.draws {
        line(&mut out, &draws.to_string());
    }
    if detail == Detail::Verbose {
        let recorded = report.cases.iter().filter(|c| c.outcome.is_recorded());
        recorded.for_each(|c| case_rows(&mut out, c));
    }
    failures(&mut out, report, detail, rest);
    if let Some(trend) = &report.trend {
        changes(&mut out, trend, shown(detail), rest);
    }
    if !report.not_covered.is_empty() {
        out.push_str("\nnot covered\n");
        report.not_covered.iter().for_each(|n| item(&mut out, n));
    }
    verdict_line(&mut out, report);
    out
}

/// How many entries of a list are printed.
fn shown(detail: Detail) -> usize {
    match detail {
        Detail::Verbose => usize::MAX,
        Detail::Quiet | Detail::Normal => SHOWN,
    }
}

/// Where it begins, what it looks like, and one case in full.
fn headline(out: &mut String, report: &Report) {
    let Some(headline) = Headline::of(report) else {
        return;
    };
    let verdict = report.status().meaning().to_uppercase();
    styled(out, style(Verdict::Fail).bold(), &verdict);
    let _ = writeln!(out, "  {}", printable(&headline.begins).collect::<String>());
    for likely in headline.likely.iter().take(LIKELY) {
        item(out, &format!("likely: {likely}"));
    }
    if let Some((case, words)) = headline.stories.first() {
        item(out, &format!("{case}: {words}"));
    }
    if let Some(lengths) = &headline.lengths {
        item(out, &format!("lengths: {lengths}"));
    }
    out.push('\n');
}

/// Every stage of a case.
fn case_rows(out: &mut String, case: &CaseReport) {
    out.push('\n');
    let name: String = printable(&case.outcome.name).collect();
    styled(out, Style::new().bold(), &name);
    out.push('\n');
    for stage in &case.outcome.stages {
        row(out, stage.stage, &|feed| {
            stage.cell(feed).into_iter().collect()
        });
    }
}

/// What became worse or better since an earlier report.
fn changes(out: &mut String, trend: &Trend, shown: usize, rest: Rest<'_>) {
    let (worse, better) = (
        trend.count(ChangeDirection::Worse),
        trend.count(ChangeDirection::Better),
    );
    let since = &trend.baseline_made_at;
    let unchanged = trend.unchanged;
    let _ = writeln!(
        out,
        "\nsince {since}: {worse} worse, {better} better, {unchanged} unchanged"
    );
    for change in trend.changes.iter().take(shown) {
        let direction = match change.direction {
            ChangeDirection::Worse => "worse ",
            ChangeDirection::Better => "better",
            ChangeDirection::New => "new   ",
            ChangeDirection::Gone => "gone  ",
        };
        let stage = change
            .stage
            .map_or_else(String::new, |(s, f)| format!(", {s} {}", f.name()));
        let what = match (&change.measure, change.from, change.to) {
            (Some(m), ..) => {
                let label = m.metric.definition().label;
                format!(": {label} {} → {}", number(m.before.0), number(m.after.0))
            }
            (None, Some(from), Some(to)) => format!(": {} → {}", from.name(), to.name()),
            _ => String::new(),
        };
        item(out, &format!("{direction} {}{stage}{what}", change.case));
    }
    if trend.changes.len() > shown {
        item(out, &more(trend.changes.len() - shown, rest));
    }
}

fn recording_line(info: &RecordingInfo) -> String {
    let commit = info
        .commit
        .as_deref()
        .map(|c| format!(" @{}", c.get(..9).unwrap_or(c)));
    let torch = info.libraries.get("torch").map(|t| format!(", torch {t}"));
    format!(
        "{}{}, {}, {} {}{}",
        format!("{} {}", info.engine, info.version).trim_end(),
        commit.unwrap_or_default(),
        info.model,
        info.device,
        info.precision,
        torch.unwrap_or_default()
    )
}

/// A stage over all cases. One that no case has is told below the table, with what is missing.
fn stage_row(out: &mut String, report: &Report, stage: Stage, detail: Detail) {
    let outcomes = report.cases.iter().flat_map(|c| &c.outcome.stages);
    let rows: Vec<&StageOutcome> = outcomes.filter(|s| s.stage == stage).collect();
    let mut cells = rows.iter().flat_map(|row| row.cells()).map(|(_, c)| c);
    let partial = report.cases.iter().any(|c| c.outcome.has_compared());
    if detail != Detail::Verbose && partial && cells.all(|c| c.verdict == Verdict::Missing) {
        return;
    }
    row(out, stage, &|feed| {
        rows.iter().filter_map(|s| s.cell(feed)).collect()
    });
}

/// A stage: how many of its cells pass under each feed, and the check that is closest to failing.
fn row<'a>(out: &mut String, stage: Stage, cells: &dyn Fn(Feed) -> Vec<&'a Cell>) {
    let _ = write!(out, "{:<24} ", stage.to_string());
    for feed in Feed::ALL {
        let cells = cells(feed);
        if cells.is_empty() {
            let _ = write!(out, "{:<11} ", "-");
            continue;
        }
        let verdict = Verdict::of(cells.iter().map(|c| c.verdict));
        let passed = cells.iter().filter(|c| c.verdict == Verdict::Pass).count();
        // What fails is told of the cases that could, what is missing of all.
        let compared = || cells.iter().filter(|c| c.verdict != Verdict::Missing);
        let of = match verdict {
            Verdict::Fail => compared().count(),
            _ => cells.len(),
        };
        let text = format!("{passed}/{of} {}", emphasised(verdict));
        styled(out, style(verdict), &format!("{text:<11}"));
        out.push(' ');
    }
    let cells = Feed::ALL.into_iter().flat_map(cells);
    let checks = cells.flat_map(|c| &c.values).flat_map(|v| &v.checks);
    let closest = closest_to_limit(checks).map(held_to_limit);
    out.extend(
        closest
            .iter()
            .flat_map(|text| text.chars().take(WIDTH - 49)),
    );
    trim(out);
    out.push('\n');
}

/// How many segments have the length of the reference's.
fn lengths_line(out: &mut String, lengths: &LengthParity) {
    let all = lengths.segments.len();
    let (least, most) = lengths.range();
    let verdict = if lengths.same_length == all {
        Verdict::Pass
    } else {
        Verdict::Fail
    };
    out.push('\n');
    styled(
        out,
        style(verdict),
        &format!("lengths  {} of {all}", lengths.same_length),
    );
    let ratio = match lengths.ratio() {
        1.0 => String::new(),
        ratio => format!(
            "; in all {} times its tokens",
            number((ratio * 1000.0).round() / 1000.0)
        ),
    };
    let range = match least == most {
        true => most.to_string(),
        false => format!("{least} to {most}"),
    };
    let _ = writeln!(
        out,
        " segments have the reference's length ({range} tokens){ratio}"
    );
}

/// How many tokens are others than the reference's, each drawn from its history: a warning, where the
/// logits explain them all.
fn partings_line(out: &mut String, report: &Report) {
    let (explained, unexplained) = explained_and_not(report.cases.iter().map(|c| &c.outcome));
    if explained + unexplained == 0 {
        return;
    }
    let verdict = match unexplained {
        0 => Verdict::Missing,
        _ => Verdict::Fail,
    };
    let text = format!("partings {explained} explained, {unexplained} not");
    styled(out, style(verdict), &text);
    out.push_str(": tokens drawn from the reference's history\n");
}

/// A verdict, in capitals if something is wrong.
fn emphasised(verdict: Verdict) -> String {
    match verdict {
        Verdict::Pass | Verdict::Skipped => verdict.name().to_owned(),
        _ => verdict.name().to_uppercase(),
    }
}

fn failures(out: &mut String, report: &Report, detail: Detail, rest: Rest<'_>) {
    let verbose = detail == Detail::Verbose;
    let failed = list_failures(report, verbose);
    let shown = shown(detail);
    if !failed.is_empty() {
        out.push_str("\nnot in parity\n");
    }
    for failure in failed.iter().take(shown) {
        item(
            out,
            &format!("{}  {}", failure.verdict.name(), failure.words),
        );
    }
    if failed.len() > shown {
        item(out, &more(failed.len() - shown, rest));
    }
    let inherited = count_inherited(report);
    if inherited > 0 && !verbose {
        item(
            out,
            &format!("{inherited} inherited, by stages that fail on what these gave them"),
        );
    }
    let gaps = match detail {
        Detail::Quiet => Vec::new(),
        _ => gaps(report),
    };
    if !gaps.is_empty() {
        out.push_str("\nmissing, which is never in parity\n");
    }
    gaps.iter().for_each(|gap| item(out, gap));
}

/// Where the rest of a list is.
fn more(count: usize, rest: Rest<'_>) -> String {
    match rest {
        Rest::Page(page) => format!("and {count} more: see {}", page.display()),
        Rest::Options(options) => format!("and {count} more: {options}"),
    }
}

fn verdict_line(out: &mut String, report: &Report) {
    let s = &report.summary;
    let cases = report.cases.len();
    let counts: Vec<_> = Verdict::ALL
        .iter()
        .filter(|&&v| s.cells(v) > 0)
        .map(|&v| format!("{} {}", s.cells(v), v.name()))
        .collect();
    let colour = if report.is_parity() {
        style(Verdict::Pass)
    } else {
        style(Verdict::Fail)
    };
    out.push('\n');
    let verdict = report.status().meaning().to_uppercase();
    styled(out, colour.bold(), &verdict);
    let compared = if counts.is_empty() {
        "no stage compared".into()
    } else {
        counts.join(", ")
    };
    let _ = writeln!(
        out,
        "  {cases} {}; stages: {compared}",
        if cases == 1 { "case" } else { "cases" }
    );
}

fn style(verdict: Verdict) -> Style {
    let colour = match verdict {
        Verdict::Pass => AnsiColor::Green,
        Verdict::Skipped => AnsiColor::Cyan,
        Verdict::Missing | Verdict::Stale => AnsiColor::Yellow,
        Verdict::Fail | Verdict::Damaged => AnsiColor::Red,
    };
    Style::new().fg_color(Some(colour.into()))
}

fn styled(out: &mut String, style: Style, text: &str) {
    let _ = write!(out, "{style}{text}{style:#}");
}

/// A line, cut to the width.
pub(in crate::report) fn line(out: &mut String, text: &str) {
    let cut: String = printable(text).take(WIDTH).collect();
    out.push_str(cut.trim_end());
    out.push('\n');
}

/// An indented item, wrapped at words.
pub(in crate::report) fn item(out: &mut String, text: &str) {
    let mut column = 0;
    for word in text.split_whitespace() {
        let word: String = printable(word).collect();
        let length = word.chars().count();
        if column == 0 || column + 1 + length > WIDTH {
            out.push_str(if column == 0 { "  " } else { "\n    " });
            column = if column == 0 { 2 } else { 4 };
        } else {
            out.push(' ');
            column += 1;
        }
        out.push_str(&word);
        column += length;
    }
    out.push('\n');
}

/// The characters that take a place: names and texts of a report must not steer the terminal.
fn printable(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|c| !c.is_control())
}

/// Takes the spaces from the end of the last line.
fn trim(out: &mut String) {
    out.truncate(out.trim_end_matches(' ').len());
}
