use std::collections::BTreeSet;

use super::evaluation::{cases_not_covered, metrics, stages};
use crate::judge::{CaseOutcome, GrossFault, Summary};
use crate::layers::LayerReport;
use crate::report::model::{
    CaseReport, LengthParity, LimitsInfo, REPORT_VERSION, RecordingInfo, Report, Shard,
};
use crate::text_corpus;

/// Reports cannot be merged. Reports are counted from 1.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// No report was given.
    #[error("nothing to merge: name the report.json of every shard")]
    Nothing,
    /// A report is of a whole run.
    #[error("report {number} is not of a shard: merge joins those of `parity report --shard I/N`")]
    NotAShard {
        /// The report's number.
        number: usize,
    },
    /// A report does not say what it must be compared by.
    #[error("report {number} is of an older version, which does not say {what}; make it again")]
    DoesNotSay {
        /// The report's number.
        number: usize,
        /// What it does not say.
        what: &'static str,
    },
    /// A report comes from another run.
    #[error("report {number} is from another run: its {what} differs from that of report 1")]
    Different {
        /// The report's number.
        number: usize,
        /// What differs.
        what: &'static str,
    },
    /// Two reports are of the same shard.
    #[error("report {number} is of shard {index}, which another report is of; give each once")]
    Twice {
        /// The second report's number.
        number: usize,
        /// The shard.
        index: usize,
    },
    /// A report contains a case of another shard.
    #[error("report {number} contains case {case}, which belongs to another shard")]
    Foreign {
        /// The report's number.
        number: usize,
        /// The case.
        case: String,
    },
}

/// Joins the reports of shards, with the cases in the order of a single run. A shard that is not
/// given leaves the run incomplete, and so does a case that its shard lacks. Trends and
/// earlier runs are dropped: they are those of the whole.
///
/// # Errors
/// If the reports have different goldens, limits, engines or settings, or are not of different
/// shards of one run.
pub fn merge(mut reports: Vec<Report>) -> Result<Report, MergeError> {
    let first = reports.first().ok_or(MergeError::Nothing)?.clone();
    let mut given = BTreeSet::new();
    for (report, number) in reports.iter().zip(1..) {
        let shard = check(&first, report, number)?;
        if !given.insert(shard.index) {
            let index = shard.index;
            return Err(MergeError::Twice { number, index });
        }
    }
    reports.sort_by_key(|r| r.shard.map(|s| s.index));
    let of = first.shard.map_or(0, |s| s.of);
    let missing = (1..=of).filter(|index| !given.contains(index));
    let missing_shards: Vec<_> = missing.map(|index| Shard { index, of }).collect();
    let run_shards = match missing_shards.is_empty() {
        true => Vec::new(),
        false => first.run_shards.clone(),
    };

    let mut listed = Vec::new();
    for report in &reports {
        let of_cases = cases_not_covered(&outcomes(&report.cases));
        let general = report.not_covered.iter();
        listed.extend(general.filter(|line| !of_cases.contains(line)).cloned());
    }
    let made_at = reports.iter().map(|r| r.made_at.clone()).max();
    let lengths = reports.iter().flat_map(|r| &r.length_parity);
    let mut lengths: Vec<_> = lengths.flat_map(|l| l.segments.clone()).collect();
    let layers = merge_layers(&reports);
    let texts = reports.iter().filter_map(|r| r.text_corpus.clone());
    let text_corpus = texts.reduce(text_corpus::Summary::with);
    let draws = reports.iter().find_map(|r| r.draws.clone());
    let limits = merge_limits(&reports);
    let candidates = merge_candidates(&first, &reports);

    let position = |name: &str| first.run_cases.iter().position(|n| n == name);
    let mut cases: Vec<CaseReport> = reports.into_iter().flat_map(|r| r.cases).collect();
    cases.sort_by_key(|c| position(&c.outcome.name));
    lengths.sort_by_key(|l| position(&l.case));
    let outcomes = outcomes(&cases);
    let mut report = Report {
        version: REPORT_VERSION,
        made_at: made_at.unwrap_or_default(),
        summary: Summary::of(&outcomes),
        candidates,
        shard: None,
        run_shards,
        missing_shards,
        limits,
        trend: None,
        history: Vec::new(),
        layers,
        text_corpus,
        draws,
        not_covered: Vec::new(),
        metrics: metrics(&outcomes),
        stages: stages(&outcomes),
        length_parity: LengthParity::of(lengths),
        cases,
        ..first
    };
    let of_cases = cases_not_covered(&outcomes);
    let lines = report.missing().into_iter().chain(listed).chain(of_cases);
    let mut seen = BTreeSet::new();
    report.not_covered = lines.filter(|line| seen.insert(line.clone())).collect();
    Ok(report.with_status())
}

/// Checks that a report is of a shard of the run that the first one is of.
fn check(first: &Report, report: &Report, number: usize) -> Result<Shard, MergeError> {
    let shard = report.shard.ok_or(MergeError::NotAShard { number })?;
    let says = [
        ("by which limits it was judged", report.limits.is_some()),
        (
            "which cases the run has",
            report.cases.is_empty() || !report.run_cases.is_empty(),
        ),
    ];
    if let Some((what, _)) = says.into_iter().find(|(_, says)| !says) {
        return Err(MergeError::DoesNotSay { number, what });
    }
    if let Some(what) = difference(first, report) {
        return Err(MergeError::Different { number, what });
    }
    let run = report.run_cases.iter().enumerate();
    let own = run.filter(|(at, _)| report.belongs(*at, shard));
    let own: BTreeSet<_> = own.map(|(_, name)| name).collect();
    match report.cases.iter().find(|c| !own.contains(&c.outcome.name)) {
        Some(foreign) => Err(MergeError::Foreign {
            number,
            case: foreign.outcome.name.clone(),
        }),
        None => Ok(shard),
    }
}

/// The first thing that differs between two reports although all shards of a run share it.
fn difference(a: &Report, b: &Report) -> Option<&'static str> {
    // Each shard has its own start time and duration.
    let timeless = |infos: &[RecordingInfo]| -> Vec<RecordingInfo> {
        let strip = |p: &RecordingInfo| RecordingInfo {
            recorded_at: String::new(),
            seconds: Default::default(),
            ..p.clone()
        };
        infos.iter().map(strip).collect()
    };
    let limits = |r: &Report| r.limits.as_ref().map(|l| l.sha256.clone());
    // Which corpus, and in which parts.
    let texts = |r: &Report| {
        let names = |t: &text_corpus::Summary| {
            let parts = t
                .settings
                .iter()
                .map(|s| (s.name.clone(), s.setting.clone()));
            (t.corpus.clone(), parts.collect::<Vec<_>>())
        };
        r.text_corpus.as_ref().map(names)
    };
    let differs = [
        (
            "golden",
            a.golden != b.golden || a.golden_sha256 != b.golden_sha256,
        ),
        ("program version", a.parity_version != b.parity_version),
        (
            "number of shards",
            a.shard.map(|s| s.of) != b.shard.map(|s| s.of),
        ),
        ("limits", limits(a) != limits(b)),
        ("list of cases", a.run_cases != b.run_cases),
        ("distribution of the cases", a.run_shards != b.run_shards),
        ("list of recorded texts", texts(a) != texts(b)),
        (
            "candidate",
            timeless(&a.candidates) != timeless(&b.candidates),
        ),
    ];
    differs.into_iter().find(|d| d.1).map(|d| d.0)
}

/// The candidates' recordings as one: recorded when the last shard was, in the time of all.
fn merge_candidates(first: &Report, reports: &[Report]) -> Vec<RecordingInfo> {
    let mut candidates = first.candidates.clone();
    for (i, candidate) in candidates.iter_mut().enumerate() {
        let parts = reports.iter().filter_map(|r| r.candidates.get(i));
        let recorded = parts.clone().map(|p| p.recorded_at.clone()).max();
        candidate.recorded_at = recorded.unwrap_or_default();
        candidate.seconds.clear();
        for (part, seconds) in parts.flat_map(|p| &p.seconds) {
            *candidate.seconds.entry(part.clone()).or_default() += seconds;
        }
    }
    candidates
}

/// The limits with every stage's faults, from the first shard that has the stage.
fn merge_limits(reports: &[Report]) -> Option<LimitsInfo> {
    let infos = || reports.iter().filter_map(|r| r.limits.as_ref());
    let mut faults: Vec<GrossFault> = Vec::new();
    for info in infos() {
        let known: BTreeSet<_> = faults.iter().map(|f| (f.stage, f.feed)).collect();
        let new = |f: &&GrossFault| !f.caught || !known.contains(&(f.stage, f.feed));
        faults.extend(info.faults.iter().filter(new).cloned());
    }
    faults.sort_by_key(|f| (f.stage, f.feed));
    let sha256 = infos().next()?.sha256.clone();
    Some(LimitsInfo { sha256, faults })
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
