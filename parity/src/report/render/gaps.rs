//! What a candidate does not have: stages that no case has in one line, and one line for each stage
//! that some cases have.

use std::collections::BTreeMap;

use crate::judge::{Cell, Verdict};
use crate::report::model::Report;
use crate::stage::{Feed, Stage};

/// Cases named in a line about cases that were not recorded.
const NAMED: usize = 4;

/// Lines such as "llm.logits isolated: not recorded in 64 of 66 cases".
pub(super) fn gaps(report: &Report) -> Vec<String> {
    let mut absent: Vec<&str> = Vec::new();
    let mut lacking: BTreeMap<(Stage, Feed, &str), usize> = BTreeMap::new();
    let mut having: BTreeMap<(Stage, Feed), usize> = BTreeMap::new();
    for outcome in report.cases.iter().map(|c| &c.outcome) {
        for (stage, feed, cell) in outcome
            .stages
            .iter()
            .flat_map(|s| s.cells().map(move |(feed, cell)| (s.stage, feed, cell)))
        {
            if cell.is_of_no_case() {
                absent.push(&outcome.name);
                continue;
            }
            *having.entry((stage, feed)).or_default() += 1;
            if cell.verdict == Verdict::Missing {
                *lacking.entry((stage, feed, reason(cell))).or_default() += 1;
            }
        }
    }
    absent.dedup();
    let one_feed = report.candidates.len() == 1;
    let cases = whole_cases(&absent, report.cases.len());
    let (mut nowhere, mut somewhere) = (Vec::new(), Vec::new());
    for gap in joined(lacking) {
        let feed = match one_feed {
            true => String::new(),
            false => format!(" {}", gap.feed.name()),
        };
        let of = having.get(&(gap.first, gap.feed)).copied().unwrap_or(0);
        let stages = match gap.first == gap.last {
            true => gap.first.to_string(),
            false => format!("{} to {}", gap.first, gap.last),
        };
        let (reason, count) = (words(gap.reason), gap.count);
        match reason == NOT_RECORDED && count == of {
            true => nowhere.push(format!("{stages}{feed}")),
            false => somewhere.push(format!("{stages}{feed}: {reason} in {count} of {of} cases")),
        }
    }
    let nowhere = (!nowhere.is_empty()).then(|| {
        let stages = nowhere.join(", ");
        format!("not recorded in any case: {stages}")
    });
    cases.into_iter().chain(nowhere).chain(somewhere).collect()
}

/// A value that a case lacks, in words.
const NOT_RECORDED: &str = "not recorded";

fn words(reason: &str) -> &str {
    match reason {
        "the candidate lacks it" => NOT_RECORDED,
        other => other,
    }
}

fn reason(cell: &Cell) -> &str {
    let missing = cell.values.iter().filter(|v| v.verdict == Verdict::Missing);
    let of_value = missing.filter_map(|v| v.reason.as_deref()).next();
    cell.reason.as_deref().or(of_value).unwrap_or("missing")
}

/// Neighbouring steps of the flow that are missing alike.
struct Gap<'a> {
    first: Stage,
    last: Stage,
    feed: Feed,
    reason: &'a str,
    count: usize,
}

fn joined(lacking: BTreeMap<(Stage, Feed, &str), usize>) -> Vec<Gap<'_>> {
    let mut gaps: Vec<Gap<'_>> = Vec::new();
    for ((stage, feed, reason), count) in lacking {
        let continues = |gap: &&mut Gap<'_>| {
            let steps = matches!(
                (gap.last, stage),
                (Stage::FlowStep(last), Stage::FlowStep(this)) if last + 1 == this
            );
            steps && (gap.feed, gap.reason, gap.count) == (feed, reason, count)
        };
        match gaps.iter_mut().find(continues) {
            Some(gap) => gap.last = stage,
            None => gaps.push(Gap {
                first: stage,
                last: stage,
                feed,
                reason,
                count,
            }),
        }
    }
    gaps
}

fn whole_cases(absent: &[&str], of: usize) -> Option<String> {
    let count = absent.len();
    match absent {
        [] => None,
        few if count <= NAMED => Some(format!(
            "{count} of {of} cases were not recorded: {}",
            few.join(", ")
        )),
        [first, .., last] => Some(format!(
            "{count} of {of} cases were not recorded: {first} to {last}"
        )),
        [one] => Some(format!("1 of {of} cases was not recorded: {one}")),
    }
}
