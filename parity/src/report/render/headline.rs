//! The first lines of a report that is not in parity: where it begins, what it looks like, and one
//! case told in full.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::diagnosis::{Likely, likely};
use crate::format::number;
use crate::judge::Verdict;
use crate::report::model::{CaseReport, Report};
use crate::stage::Stage;

/// Cases named behind a likely cause.
const NAMED: usize = 3;

/// What a reader has to know first.
pub(in crate::report) struct Headline {
    /// Where it begins, in words.
    pub(in crate::report) begins: String,
    /// The mistakes that the failures have the signs of.
    pub(in crate::report) likely: Vec<String>,
    /// Cases with what happened in them, the worst first.
    pub(in crate::report) stories: Vec<(String, String)>,
    /// How long the speech is, if it is not as long as the reference's.
    pub(in crate::report) lengths: Option<String>,
}

impl Headline {
    /// None if the report is in parity, or nothing of it could be compared.
    pub(in crate::report) fn of(report: &Report) -> Option<Self> {
        if report.is_parity() {
            return None;
        }
        let failing: Vec<&CaseReport> = report
            .cases
            .iter()
            .filter(|c| c.outcome.verdict == Verdict::Fail)
            .collect();
        if failing.is_empty() {
            return missing_alone(report);
        }
        let mut counts: BTreeMap<Stage, usize> = BTreeMap::new();
        for stage in failing.iter().filter_map(|c| begins(c)) {
            *counts.entry(stage).or_default() += 1;
        }
        // The most cases; of equals, the earliest stage.
        let mut order: Vec<_> = counts.into_iter().collect();
        order.sort_by_key(|(stage, count)| (usize::MAX - count, *stage));
        let recorded = report.cases.iter().filter(|c| c.outcome.is_recorded());
        let recorded = match recorded.count() {
            all if all == report.cases.len() => format!("{all} cases"),
            some => format!("the {some} cases that were recorded"),
        };
        let words = |(i, (stage, count)): (usize, &(Stage, usize))| match i {
            0 => format!("begins at {stage} in {count} of {recorded}"),
            _ => format!("at {stage} in {count}"),
        };
        let begins_at: Vec<_> = order.iter().take(NAMED).enumerate().map(words).collect();
        let stage = order.first().map(|(stage, _)| *stage);
        let clues = report.cases.iter().map(|c| (&c.outcome, &*c.clues));
        let likely = likely(clues);
        Some(Self {
            begins: begins_at.join(", "),
            stories: stories(&failing, stage, likely.first()),
            likely: likely.iter().map(words_of).collect(),
            lengths: lengths(report),
        })
    }
}

impl Report {
    /// The case whose story the report tells first, if it fails.
    pub fn told_case(&self) -> Option<String> {
        let stories = Headline::of(self)?.stories;
        stories.into_iter().next().map(|(case, _)| case)
    }
}

/// The stage in which a failing case begins to fail.
pub(super) fn begins(case: &CaseReport) -> Option<Stage> {
    let story = case.story.as_ref().map(|s| s.stage);
    let failing = || {
        let stages = case.outcome.stages.iter();
        let mut failing = stages.filter(|s| s.cells().any(|(_, c)| c.verdict == Verdict::Fail));
        failing.next().map(|s| s.stage)
    };
    case.outcome.first_introduced.or(story).or_else(failing)
}

fn missing_alone(report: &Report) -> Option<Headline> {
    let (passed, missing) = (
        report.summary.cells(Verdict::Pass),
        report.summary.cells(Verdict::Missing),
    );
    (missing > 0 && passed > 0).then(|| Headline {
        begins: format!(
            "nothing that was recorded differs ({passed} stages of cases pass); {missing} were not \
             recorded"
        ),
        likely: Vec::new(),
        stories: Vec::new(),
        lengths: lengths(report),
    })
}

fn words_of(likely: &Likely) -> String {
    let cases = match likely.cases.as_slice() {
        [one] => format!("in {one}"),
        [first, ..] => format!("in {} cases; in {first}", likely.cases.len()),
        [] => String::new(),
    };
    let (cause, sign) = (likely.cause, &likely.sign);
    let words = cause.words();
    format!(
        "{words}: {cases}, {sign}; see parity explain {}",
        cause.name()
    )
}

/// Every failing case: those that begin in `stage` first, of those the one whose sign of the
/// likeliest mistake is told, the others that show it, then the largest difference in length.
fn stories(
    failing: &[&CaseReport],
    stage: Option<Stage>,
    likeliest: Option<&Likely>,
) -> Vec<(String, String)> {
    let sign_of = likeliest.and_then(|l| l.cases.first());
    let place = |case: &CaseReport| {
        let name = &case.outcome.name;
        let is_one = likeliest.is_some_and(|l| l.cases.contains(name));
        (sign_of != Some(name), !is_one)
    };
    let longer = |case: &CaseReport| {
        case.tokens
            .iter()
            .filter(|l| l.key.stage == Stage::LlmTokens)
            .map(|l| l.candidate.len().abs_diff(l.reference.len()))
            .sum::<usize>()
    };
    let mut told: Vec<_> = failing
        .iter()
        .filter_map(|case| Some((case, case.story.as_ref()?)))
        .collect();
    told.sort_by_key(|(case, story)| {
        let elsewhere = Some(story.stage) != stage;
        (elsewhere, place(case), Reverse(longer(case)))
    });
    let words = |(case, story): (&&CaseReport, &crate::diagnosis::Story)| {
        (case.outcome.name.clone(), story.words.clone())
    };
    told.into_iter().map(words).collect()
}

/// The ratio of all lengths: of tokens, or of the sounds if no tokens were recorded.
fn lengths(report: &Report) -> Option<String> {
    let (ratio, what, count) = match &report.length_parity {
        Some(lengths) => (lengths.ratio(), "token list", lengths.segments.len()),
        None => {
            let sounds = report.cases.iter().filter_map(|c| c.sound.as_ref());
            let both = sounds.filter(|s| s.reference_samples > 0 && s.candidate_samples > 0);
            let (mut ours, mut theirs, mut count) = (0.0, 0.0, 0);
            for sound in both {
                ours += sound.reference_samples as f64;
                theirs += sound.candidate_samples as f64;
                count += 1;
            }
            (theirs / f64::max(ours, 1.0), "sound", count)
        }
    };
    (count > 0 && ratio != 1.0).then(|| {
        let rounded = (ratio * 1000.0).round() / 1000.0;
        let plural = if count == 1 { "" } else { "s" };
        let than = if ratio > 1.0 { "longer" } else { "shorter" };
        format!(
            "{} times the reference's length over {count} {what}{plural}: {than}",
            number(rounded)
        )
    })
}
