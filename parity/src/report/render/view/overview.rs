use serde::Serialize;

use super::curves::lengths;
use super::findings::{Group, findings};
use super::mark::Mark;
use crate::format::{number, unit};
use crate::judge::{Check, Verdict, held_to_limit, is_exact, margin};
use crate::report::model::{
    Change, ChangeDirection, Length, LengthParity, Report, SegmentLengths, Trend,
};
use crate::report::render::gaps::gaps;

/// The top of the report.
#[derive(Serialize)]
pub(in crate::report) struct Overview {
    counts: Vec<Count>,
    /// The passing check with the smallest margin.
    closest: Option<Closest>,
    findings: Vec<Group>,
    /// What the candidate does not have, one line for each stage.
    gaps: Vec<String>,
    trend: Option<TrendView>,
    lengths: Option<Lengths>,
}

/// How many cases and stages have a verdict.
#[derive(Serialize)]
struct Count {
    mark: Mark,
    name: &'static str,
    cases: usize,
    cells: usize,
}

/// The check that is closest to its limit.
#[derive(Serialize)]
struct Closest {
    case: String,
    stage: String,
    words: String,
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
    direction: &'static str,
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
    same_tokens: usize,
    longest: usize,
    range: (usize, usize),
    plot: Option<String>,
    /// The lists whose tokens differ from the reference's.
    differing: Vec<Differing>,
}

/// A token list that differs from the reference's.
#[derive(Serialize)]
struct Differing {
    case: String,
    segment: usize,
    seed: u64,
    reference: String,
    candidate: String,
}

/// Maximum length of the description of the closest check, in characters.
const WORDS: usize = 31;

pub(in crate::report) fn overview(report: &Report) -> Overview {
    let summary = &report.summary;
    let cases = |v| summary.cases.get(&v).copied().unwrap_or(0);
    let count = |verdict: Verdict| Count {
        mark: Mark::of(verdict, None),
        name: verdict.name(),
        cases: cases(verdict),
        cells: summary.cells(verdict),
    };
    Overview {
        closest: report.is_parity().then(|| closest(report)).flatten(),
        gaps: gaps(report),
        counts: Verdict::ALL.into_iter().map(count).collect(),
        findings: findings(report),
        trend: report.trend.as_ref().map(trend),
        lengths: report.length_parity.as_ref().map(token_lengths),
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
    let finite = |c: &Check| c.value.is_some_and(|v| v.0.is_finite());
    let margins = checks.filter(|(.., c)| c.passed && !c.by_floor && !is_exact(c) && finite(c));
    let (case, stage, check) = margins.min_by(|a, b| margin(a.2).total_cmp(&margin(b.2)))?;
    Some(Closest {
        case: case.outcome.name.clone(),
        stage: stage.stage.to_string(),
        words: held_to_limit(check).chars().take(WORDS).collect(),
    })
}

fn token_lengths(parity: &LengthParity) -> Lengths {
    let pair = |s: &SegmentLengths| (s.reference.raw, s.candidate.raw);
    let pairs: Vec<_> = parity.segments.iter().map(pair).collect();
    let longest = pairs.iter().map(|(r, c)| r.abs_diff(*c)).max().unwrap_or(0);
    let differ = |s: &&SegmentLengths| !s.same_tokens;
    Lengths {
        lists: pairs.len(),
        equal: parity.same_length,
        same_tokens: parity.same_tokens,
        longest,
        range: parity.range(),
        plot: lengths(&pairs),
        differing: parity
            .segments
            .iter()
            .filter(differ)
            .map(differing)
            .collect(),
    }
}

fn differing(segment: &SegmentLengths) -> Differing {
    let words = |l: &Length| {
        let stop = l
            .stop
            .map_or_else(String::new, |mark| format!(", ended by {mark}"));
        let kept = l
            .kept
            .map_or_else(String::new, |kept| format!(", {kept} kept"));
        format!("{} sampled{kept}{stop}", l.raw)
    };
    Differing {
        case: segment.case.clone(),
        segment: segment.segment,
        seed: segment.seed,
        reference: words(&segment.reference),
        candidate: words(&segment.candidate),
    }
}

fn trend(trend: &Trend) -> TrendView {
    TrendView {
        made_at: trend.baseline_made_at.clone(),
        verdict: trend.baseline_verdict.clone(),
        worse: trend.count(ChangeDirection::Worse),
        better: trend.count(ChangeDirection::Better),
        unchanged: trend.unchanged,
        changes: trend.changes.iter().map(change).collect(),
    }
}

fn change(change: &Change) -> ChangeView {
    let (symbol, direction) = match change.direction {
        ChangeDirection::Worse => ("▼", "worse"),
        ChangeDirection::Better => ("▲", "better"),
        ChangeDirection::New => ("+", "new"),
        ChangeDirection::Gone => ("−", "gone"),
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
        direction,
        case: change.case.clone(),
        stage: change.stage.map(|s| s.0.to_string()),
        feed: change.stage.map_or("", |s| s.1.name()),
        what,
    }
}
