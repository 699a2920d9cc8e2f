use super::evaluation::{cases_not_covered, metrics, stages};
use crate::judge::{CaseOutcome, Summary};
use crate::layers::LayerReport;
use crate::report::model::{
    CaseReport, LengthParity, REPORT_VERSION, RecordingInfo, Report, Shard,
};

/// Reports cannot be merged.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// No report was given.
    #[error("nothing to merge: name the report.json of every shard")]
    Nothing,
    /// A report comes from another run.
    #[error("report {number} is from another run: its {what} differs from that of report 1")]
    Different {
        /// The report's number, counted from 1.
        number: usize,
        /// What differs.
        what: &'static str,
    },
    /// Two reports contain the same case.
    #[error("case {case} is in two reports; give each shard once")]
    Twice {
        /// The case.
        case: String,
    },
}

/// Joins the reports of shards, with the cases in the order of a single run. Trends are dropped:
/// they are computed again from the whole.
///
/// # Errors
/// If the reports have different goldens, engines or settings, or share a case.
pub fn merge(reports: Vec<Report>) -> Result<Report, MergeError> {
    let first = reports.first().ok_or(MergeError::Nothing)?.clone();
    for (report, number) in reports.iter().zip(1..) {
        if let Some(what) = difference(&first, report) {
            return Err(MergeError::Different { number, what });
        }
    }
    let mut general = Vec::new();
    for report in &reports {
        let of_cases = cases_not_covered(&outcomes(&report.cases));
        let listed = report.not_covered.iter();
        general.extend(listed.filter(|line| !of_cases.contains(line)).cloned());
    }
    general.extend(missing_shards(&reports));
    let mut seen = std::collections::BTreeSet::new();
    general.retain(|line| seen.insert(line.clone()));

    let mut candidates = first.candidates.clone();
    for (i, candidate) in candidates.iter_mut().enumerate() {
        let parts = reports.iter().filter_map(|r| r.candidates.get(i));
        candidate.recorded_at = parts
            .clone()
            .map(|p| p.recorded_at.clone())
            .max()
            .unwrap_or_default();
        candidate.seconds.clear();
        for (part, seconds) in parts.flat_map(|p| &p.seconds) {
            *candidate.seconds.entry(part.clone()).or_default() += seconds;
        }
    }
    let made_at = reports
        .iter()
        .map(|r| r.made_at.clone())
        .max()
        .unwrap_or_default();
    let layers = merge_layers(&reports);
    let texts = reports.iter().find_map(|r| r.text_corpus.clone());
    let mut lengths: Vec<_> = reports
        .iter()
        .flat_map(|r| r.length_parity.iter().flat_map(|l| l.segments.clone()))
        .collect();
    let cases = interleave(reports);
    lengths.sort_by_key(|l| cases.iter().position(|c| c.outcome.name == l.case));
    let mut names = std::collections::BTreeSet::new();
    if let Some(twice) = cases.iter().find(|c| !names.insert(&c.outcome.name)) {
        return Err(MergeError::Twice {
            case: twice.outcome.name.clone(),
        });
    }
    let outcomes = outcomes(&cases);
    let summary = Summary::of(&outcomes);
    let exit = summary.exit();
    let mut not_covered = general;
    not_covered.extend(cases_not_covered(&outcomes));
    let report = Report {
        version: REPORT_VERSION,
        made_at,
        verdict: exit.meaning().into(),
        exit: exit.code(),
        summary,
        candidates,
        shard: None,
        trend: None,
        layers: None,
        text_corpus: None,
        not_covered,
        metrics: metrics(&outcomes),
        stages: stages(&outcomes),
        length_parity: LengthParity::of(lengths),
        cases,
        ..first
    };
    let report = match layers {
        Some(layers) => report.with_layers(layers),
        None => report,
    };
    Ok(match texts {
        Some(texts) => report.with_text_corpus(texts),
        None => report,
    })
}

/// The layers of the networks that any of the reports compared.
fn merge_layers(reports: &[Report]) -> Option<LayerReport> {
    let found: Vec<_> = reports.iter().filter_map(|r| r.layers.as_ref()).collect();
    let mut notes: Vec<String> = found.iter().flat_map(|l| l.notes.clone()).collect();
    notes.dedup();
    let networks = found.iter().flat_map(|l| l.networks.clone()).collect();
    (!found.is_empty()).then_some(LayerReport { notes, networks })
}

fn outcomes(cases: &[CaseReport]) -> Vec<CaseOutcome> {
    cases.iter().map(|c| c.outcome.clone()).collect()
}

/// The first thing that differs between two reports although all shards of a run share it.
fn difference(a: &Report, b: &Report) -> Option<&'static str> {
    if a.golden != b.golden {
        return Some("golden");
    }
    if a.parity_version != b.parity_version {
        return Some("program version");
    }
    if a.shard.map(|s| s.of) != b.shard.map(|s| s.of) {
        return Some("number of shards");
    }
    // Each shard has its own start time and duration.
    let timeless = |infos: &[RecordingInfo]| -> Vec<RecordingInfo> {
        let strip = |p: &RecordingInfo| RecordingInfo {
            recorded_at: String::new(),
            seconds: Default::default(),
            ..p.clone()
        };
        infos.iter().map(strip).collect()
    };
    (timeless(&a.candidates) != timeless(&b.candidates)).then_some("candidate")
}

fn missing_shards(reports: &[Report]) -> Vec<String> {
    let given: Vec<Shard> = reports.iter().filter_map(|r| r.shard).collect();
    let of = given.first().map_or(0, |s| s.of);
    (1..=of)
        .filter(|index| given.iter().all(|s| s.index != *index))
        .map(|index| format!("shard {index} of {of}: its report is missing"))
        .collect()
}

/// Case `k` of shard `i` of `n` was case `k·n + i` of the whole.
fn interleave(mut reports: Vec<Report>) -> Vec<CaseReport> {
    reports.sort_by_key(|r| r.shard.map_or(0, |s| s.index));
    let mut placed: Vec<((usize, usize), CaseReport)> = Vec::new();
    for (at, report) in reports.into_iter().enumerate() {
        let sharded = report.shard.is_some();
        for (k, case) in report.cases.into_iter().enumerate() {
            placed.push((if sharded { (k, at) } else { (at, k) }, case));
        }
    }
    placed.sort_by_key(|(place, _)| *place);
    placed.into_iter().map(|(_, case)| case).collect()
}
