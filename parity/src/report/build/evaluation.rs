use std::collections::BTreeSet;

use super::alignment::with_waits;
use super::mels::mels;
use crate::array::Array;
use crate::diagnosis;
use crate::judge::{
    CaseOutcome, Cell, Evaluation, LimitsTest, LoadedCase, StageOutcome, Summary, Verdict,
};
use crate::metric::Metric;
use crate::recording::{Error, SAMPLE_RATE, timestamp};
use crate::report::model::{
    CaseReport, Contour, LengthParity, LimitsInfo, MetricInfo, REPORT_VERSION, RecordingInfo,
    Report, SegmentLengths, Shard, Sound, StageInfo, TokenLists,
};
use crate::shard::Parts;
use crate::stage::{Feed, Key, Stage, ValueKind};

/// Seconds of sound in a report, shared by all cases, so that the page stays small enough to send.
const SOUND_SECONDS: f64 = 50.0;

/// Judges every case of an evaluation, or every case of a shard, reading one at a time. Shards are
/// cut by what the expected cases cost; without a list of those, each counts the same.
/// `reproduce` returns the command that runs a case alone.
///
/// # Errors
/// If a recording of the candidate is damaged. A damaged golden is reported, not an error.
pub fn build_report(
    evaluation: &Evaluation<'_>,
    shard: Option<Shard>,
    reproduce: impl Fn(&str) -> String,
) -> Result<Report, Error> {
    let (mut cases, mut lengths) = (Vec::new(), Vec::new());
    let run_cases = evaluation.names();
    let parts = shard.map(|shard| (shard, parts(evaluation, &run_cases, shard.of)));
    let ours = |position| {
        let parts = parts.as_ref();
        parts.is_none_or(|(shard, parts)| parts.has(*shard, position))
    };
    // Computed over all cases, so that a case is cut in the same way in every shard.
    let longest = longest_sound(evaluation, &run_cases);
    let mut test = LimitsTest::default();
    for (position, name) in run_cases.iter().enumerate() {
        if !ours(position) {
            // The limits are tested in the values that a whole run would take.
            if let Ok(golden) = evaluation.golden.golden_case(name) {
                test.plant(evaluation, &golden, false);
            }
            continue;
        }
        let loaded = evaluation.load(name)?;
        if let Ok(golden) = &loaded.golden {
            test.plant(evaluation, golden, true);
        }
        lengths.extend(SegmentLengths::of_case(&loaded));
        let outcome = evaluation.judge(&loaded);
        cases.push(CaseReport {
            story: diagnosis::story(&loaded, &outcome),
            clues: diagnosis::clues(&loaded, &outcome),
            outcome,
            reproduce: reproduce(name),
            sound: sound(&loaded, longest),
            aligned_sound: aligned_sound(&loaded, longest),
            tokens: token_lists(&loaded),
            mels: mels(&loaded),
            f0: contours(&loaded),
            tensors: Vec::new(),
        });
    }
    let outcomes: Vec<_> = cases.iter().map(|c| c.outcome.clone()).collect();
    let summary = Summary::of(&outcomes);
    let candidates = Feed::ALL
        .into_iter()
        .filter_map(|feed| evaluation.candidate(feed));
    let limits = LimitsInfo {
        sha256: evaluation.tolerances.sha256(),
        faults: test.faults(),
    };
    let report = Report {
        version: REPORT_VERSION,
        parity_version: env!("CARGO_PKG_VERSION").into(),
        made_at: timestamp(),
        verdict: String::new(),
        exit: 0,
        summary,
        golden: RecordingInfo::of(evaluation.golden.manifest()),
        golden_sha256: evaluation.golden.manifest_sha256().map(str::to_owned),
        candidates: candidates
            .map(|c| RecordingInfo::of(c.manifest()))
            .collect(),
        shard,
        run_shards: parts.map_or_else(Vec::new, |(_, parts)| parts.numbers().to_vec()),
        run_cases,
        missing_shards: Vec::new(),
        limits: Some(limits),
        trend: None,
        history: Vec::new(),
        not_covered: [evaluation.not_covered(), cases_not_covered(&outcomes)].concat(),
        metrics: metrics(&outcomes),
        stages: stages(&outcomes),
        length_parity: LengthParity::of(lengths),
        cases,
        layers: None,
        text_corpus: None,
        draws: None,
    };
    Ok(report.with_status())
}

/// Which shard each case of a run belongs to.
fn parts(evaluation: &Evaluation<'_>, names: &[String], of: usize) -> Parts {
    match evaluation.expected {
        Some(expected) => Parts::of_cases(expected.iter().map(|e| &e.case), of),
        None => Parts::cut(names.iter().map(|name| (name.as_str(), 1)), of),
    }
}

/// The length in seconds to which sounds are cut so that all fit into [`SOUND_SECONDS`].
fn longest_sound(evaluation: &Evaluation<'_>, names: &[String]) -> f64 {
    let seconds = |name: &String| {
        let samples = evaluation
            .golden
            .case(name)
            .map_or(0, |case| case.audio.len());
        samples as f64 / f64::from(SAMPLE_RATE)
    };
    let mut lengths: Vec<f64> = names.iter().map(seconds).filter(|&s| s > 0.0).collect();
    lengths.sort_by(f64::total_cmp);
    let mut left = SOUND_SECONDS;
    for (i, &length) in lengths.iter().enumerate() {
        let share = left / (lengths.len() - i) as f64;
        if length > share {
            return share;
        }
        left -= length;
    }
    SOUND_SECONDS
}

/// Maximum number of cases that a line about missing coverage lists in full.
const NAMED: usize = 6;

/// What individual cases do not cover. Cases with the same gap share a line.
pub(super) fn cases_not_covered(outcomes: &[CaseOutcome]) -> Vec<String> {
    let mut lines: Vec<(String, Vec<&str>)> = Vec::new();
    for outcome in outcomes {
        let problem = outcome.problem.iter().map(|p| format!(": {p}"));
        let unmeasured = stages_of_unmeasured_noise(outcome);
        for line in problem.chain(stages_not_covered(outcome)).chain(unmeasured) {
            match lines.iter_mut().find(|(l, _)| *l == line) {
                Some((_, cases)) => cases.push(&outcome.name),
                None => lines.push((line, vec![&outcome.name])),
            }
        }
    }
    let named = |cases: &[&str]| match cases {
        [one] => format!("case {one}"),
        _ if cases.len() > NAMED => {
            let first = cases[..NAMED].join(", ");
            format!("{} cases ({first} …)", cases.len())
        }
        _ => format!("cases {}", cases.join(", ")),
    };
    let lines = lines.into_iter().map(|(line, cases)| named(&cases) + &line);
    Evaluation::kept_in_part(outcomes)
        .into_iter()
        .chain(lines)
        .collect()
}

/// The stages that were not compared, grouped by reason.
fn stages_not_covered(outcome: &CaseOutcome) -> Vec<String> {
    let mut by_reason: Vec<(&str, Vec<String>)> = Vec::new();
    for stage in &outcome.stages {
        let why = |feed| stage.cell(feed).and_then(why_not_compared);
        let (isolated, cascaded) = (why(Feed::Isolated), why(Feed::Cascaded));
        let name = |feed: &str| format!("{}{feed}", stage.stage);
        let missed = if isolated.is_some() && isolated == cascaded {
            [isolated.map(|r| (r, name(""))), None]
        } else {
            let one = |why: Option<_>, feed| why.map(|r| (r, name(feed)));
            [one(isolated, " isolated"), one(cascaded, " cascaded")]
        };
        for (reason, name) in missed.into_iter().flatten() {
            match by_reason.iter_mut().find(|(r, _)| *r == reason) {
                Some((_, stages)) => stages.push(name),
                None => by_reason.push((reason, vec![name])),
            }
        }
    }
    let line = |(reason, stages): (&str, Vec<String>)| format!(", {reason}: {}", stages.join(", "));
    by_reason.into_iter().map(line).collect()
}

/// The stages that are held to absolute limits only, in one line.
fn stages_of_unmeasured_noise(outcome: &CaseOutcome) -> Option<String> {
    let unmeasured = |cell: &Cell| cell.values.iter().any(|v| v.unmeasured_noise.is_some());
    let cells = outcome.stages.iter().flat_map(|stage| {
        let cells = stage.cells().filter(|(_, cell)| unmeasured(cell));
        cells.map(|(feed, _)| format!("{} {}", stage.stage, feed.name()))
    });
    let stages: Vec<_> = cells.collect();
    (!stages.is_empty()).then(|| {
        format!(
            ", the reference's noise could not be measured, so that absolute limits apply: {}",
            stages.join(", ")
        )
    })
}

/// Why a cell does not cover its stage, or some segments of it.
fn why_not_compared(cell: &Cell) -> Option<&str> {
    let values = cell.values.iter().map(|v| (v.verdict, v.reason.as_deref()));
    let all = std::iter::once((cell.verdict, cell.reason.as_deref())).chain(values);
    // What is missing is no gap of the run but a failure, and is told among those.
    let idle = |(verdict, _): &(Verdict, _)| *verdict == Verdict::Skipped;
    let reasons: Vec<_> = all.filter(idle).collect();
    let named = reasons.iter().find_map(|(_, reason)| *reason);
    named.or_else(|| reasons.first().map(|(verdict, _)| verdict.name()))
}

pub(super) fn metrics(outcomes: &[CaseOutcome]) -> Vec<MetricInfo> {
    let cells = outcomes
        .iter()
        .flat_map(|o| &o.stages)
        .flat_map(StageOutcome::cells);
    let values = cells.flat_map(|(_, cell)| &cell.values);
    let used: BTreeSet<Metric> = values.flat_map(|v| v.measures.keys().copied()).collect();
    used.into_iter().map(MetricInfo::of).collect()
}

pub(super) fn stages(outcomes: &[CaseOutcome]) -> Vec<StageInfo> {
    let used: BTreeSet<Stage> = outcomes
        .iter()
        .flat_map(|o| &o.stages)
        .map(|s| s.stage)
        .collect();
    used.into_iter().map(StageInfo::of).collect()
}

fn sound(loaded: &LoadedCase<'_>, longest: f64) -> Option<Sound> {
    let golden = loaded.golden.as_ref().map_or(&[][..], |g| &g.audio);
    let candidate = loaded.cascaded.as_ref().map_or(&[][..], |c| &c.audio);
    Sound::new(golden, candidate, SAMPLE_RATE, longest)
}

/// Both sounds along their alignment, if their lengths differ.
fn aligned_sound(loaded: &LoadedCase<'_>, longest: f64) -> Option<Sound> {
    let golden = &loaded.golden.as_ref().ok()?.audio;
    let candidate = &loaded.cascaded.as_ref()?.audio;
    let (r, c) = with_waits(golden, candidate, SAMPLE_RATE)?;
    Sound::new(&r, &c, SAMPLE_RATE, longest)
}

/// The candidate's value that the report shows: the cascaded one, which is what a listener hears,
/// or else the isolated one.
pub(super) fn heard<'a>(loaded: &'a LoadedCase<'_>, key: &Key) -> Option<(Feed, &'a Array)> {
    let feeds = [Feed::Cascaded, Feed::Isolated].into_iter();
    let mut arrays = feeds.filter_map(|f| Some((f, loaded.candidate(f)?.tensors.get(key)?)));
    arrays.next()
}

/// The sampled tokens, and every other token list that differs.
fn token_lists(loaded: &LoadedCase<'_>) -> Vec<TokenLists> {
    let Ok(golden) = &loaded.golden else {
        return Vec::new();
    };
    let mut all = Vec::new();
    let stages = Stage::all().filter(|s| s.kind() == ValueKind::Tokens && !s.is_auxiliary());
    for key in stages.flat_map(|s| golden.keys(s)) {
        let Some(reference) = golden.tensors.get(&key).and_then(Array::as_i64) else {
            continue;
        };
        let shown = heard(loaded, &key).map(|(feed, _)| feed);
        for feed in Feed::ALL {
            let candidate = loaded
                .candidate(feed)
                .and_then(|c| c.tensors.get(&key)?.as_i64());
            let Some(candidate) = candidate else { continue };
            let sampled = key.stage == Stage::LlmTokens && shown == Some(feed);
            if sampled || candidate != reference {
                all.push(TokenLists {
                    key: key.clone(),
                    feed,
                    reference: reference.to_vec(),
                    candidate: candidate.to_vec(),
                });
            }
        }
    }
    all
}

fn contours(loaded: &LoadedCase<'_>) -> Vec<Contour> {
    let Ok(golden) = &loaded.golden else {
        return Vec::new();
    };
    let hundredths = |hz: &[f32]| hz.iter().map(|x| (x * 100.0).round() / 100.0).collect();
    let contour = |key: &Key| {
        let (feed, candidate) = heard(loaded, key)?;
        Some(Contour {
            segment: key.segment.unwrap_or(0),
            feed,
            reference: hundredths(golden.tensors.get(key)?.as_f32()?),
            candidate: hundredths(candidate.as_f32()?),
        })
    };
    golden
        .keys(Stage::VocoderF0)
        .iter()
        .filter_map(contour)
        .collect()
}
