use std::collections::BTreeSet;

use super::grid::Grid;
use super::json::{
    CaseReport, MelPicture, MetricInfo, Party, REPORT_VERSION, Report, Sound, StageInfo,
};
use super::lengths::{LengthParity, SegmentLengths};
use crate::judge::{CaseOutcome, Cell, Loaded, StageOutcome, Summary, Trial, Verdict};
use crate::metric::Metric;
use crate::recording::{Error, SAMPLE_RATE, timestamp};
use crate::stage::{Feed, Key, Stage};

/// Judges every case of a trial, reading one at a time. `reproduce` gives the command that runs
/// a case alone.
///
/// # Errors
/// If a recording of the candidate is damaged. A damaged golden is part of the report.
pub fn report_from(trial: &Trial<'_>, reproduce: impl Fn(&str) -> String) -> Result<Report, Error> {
    let (mut cases, mut lengths) = (Vec::new(), Vec::new());
    for name in trial.names() {
        let loaded = trial.load(&name)?;
        lengths.extend(SegmentLengths::of_case(&loaded));
        cases.push(CaseReport {
            outcome: trial.judge(&loaded),
            reproduce: reproduce(&name),
            sounds: sounds(&loaded),
            mels: mels(&loaded),
        });
    }
    let outcomes: Vec<_> = cases.iter().map(|c| c.outcome.clone()).collect();
    let summary = Summary::of(&outcomes);
    let exit = summary.exit();
    let candidates = Feed::ALL
        .into_iter()
        .filter_map(|feed| trial.candidate(feed));
    Ok(Report {
        version: REPORT_VERSION,
        parity_version: env!("CARGO_PKG_VERSION").into(),
        made_at: timestamp(),
        verdict: exit.meaning().into(),
        exit: exit.code(),
        summary,
        golden: Party::of(trial.golden.manifest()),
        candidates: candidates.map(|c| Party::of(c.manifest())).collect(),
        not_covered: not_covered(trial, &outcomes),
        metrics: metrics(&outcomes),
        stages: stages(&outcomes),
        length_parity: LengthParity::of(lengths),
        cases,
        deep: None,
    })
}

fn not_covered(trial: &Trial<'_>, outcomes: &[CaseOutcome]) -> Vec<String> {
    let mut list = trial.not_covered();
    list.extend(Trial::kept_in_part(outcomes));
    for outcome in outcomes {
        if let Some(problem) = &outcome.problem {
            list.push(format!("case {}: {problem}", outcome.name));
        }
        let mut by_reason: Vec<(&str, Vec<String>)> = Vec::new();
        for stage in &outcome.stages {
            for (feed, cell) in stage.cells() {
                let Some(reason) = why_not_compared(cell) else {
                    continue;
                };
                let name = format!("{} {}", stage.stage, feed.name());
                match by_reason.iter_mut().find(|(r, _)| *r == reason) {
                    Some((_, stages)) => stages.push(name),
                    None => by_reason.push((reason, vec![name])),
                }
            }
        }
        for (reason, stages) in by_reason {
            list.push(format!(
                "case {}, {reason}: {}",
                outcome.name,
                stages.join(", ")
            ));
        }
    }
    list
}

/// Why a cell says nothing about its stage, or not about every segment of it.
fn why_not_compared(cell: &Cell) -> Option<&str> {
    let values = cell.values.iter().map(|v| (v.verdict, v.reason.as_deref()));
    let all = std::iter::once((cell.verdict, cell.reason.as_deref())).chain(values);
    let idle = |(verdict, _): &(Verdict, _)| matches!(verdict, Verdict::Missing | Verdict::Skipped);
    let reasons: Vec<_> = all.filter(idle).collect();
    let named = reasons.iter().find_map(|(_, reason)| *reason);
    named.or_else(|| reasons.first().map(|(verdict, _)| verdict.name()))
}

fn metrics(outcomes: &[CaseOutcome]) -> Vec<MetricInfo> {
    let cells = outcomes
        .iter()
        .flat_map(|o| &o.stages)
        .flat_map(StageOutcome::cells);
    let values = cells.flat_map(|(_, cell)| &cell.values);
    let used: BTreeSet<Metric> = values.flat_map(|v| v.measures.keys().copied()).collect();
    used.into_iter().map(MetricInfo::of).collect()
}

fn stages(outcomes: &[CaseOutcome]) -> Vec<StageInfo> {
    let used: BTreeSet<Stage> = outcomes
        .iter()
        .flat_map(|o| &o.stages)
        .map(|s| s.stage)
        .collect();
    used.into_iter().map(StageInfo::of).collect()
}

fn sounds(loaded: &Loaded<'_>) -> Vec<Sound> {
    let golden = loaded.golden.as_ref().ok().map(|g| g.audio.as_slice());
    let candidate = loaded.cascaded.as_ref().map(|c| c.audio.as_slice());
    let both = [("reference", golden), ("candidate", candidate)];
    both.into_iter()
        .filter_map(|(label, audio)| Sound::new(label, audio?, SAMPLE_RATE))
        .collect()
}

fn mels(loaded: &Loaded<'_>) -> Vec<MelPicture> {
    let Ok(golden) = &loaded.golden else {
        return Vec::new();
    };
    golden
        .keys(Stage::FlowMel)
        .iter()
        .filter_map(|key| mel(loaded, key))
        .collect()
}

fn mel(loaded: &Loaded<'_>, key: &Key) -> Option<MelPicture> {
    let golden = loaded.golden.as_ref().ok()?.tensors.get(key)?;
    // The cascaded one is what is heard; the isolated one stands in where there is none.
    let feeds = [Feed::Cascaded, Feed::Isolated];
    let candidates = feeds
        .into_iter()
        .filter_map(|f| Some((f, loaded.candidate(f)?.tensors.get(key)?)));
    let (feed, candidate) = candidates.into_iter().next()?;
    let (r, c) = (golden.as_f32()?, candidate.as_f32()?);
    let finite = || r.iter().chain(c).copied().filter(|x| x.is_finite());
    let (low, high) = (finite().reduce(f32::min)?, finite().reduce(f32::max)?);
    let height = |shape: &[usize]| shape.first().copied().unwrap_or(0);
    let difference = (golden.shape() == candidate.shape()).then(|| {
        let difference: Vec<f32> = r.iter().zip(c).map(|(r, c)| c - r).collect();
        let most = difference
            .iter()
            .map(|d| d.abs())
            .filter(|d| d.is_finite())
            .fold(0.0, f32::max);
        let span = most.max(f32::MIN_POSITIVE);
        Grid::new(&difference, height(golden.shape()), -span, span)
    });
    Some(MelPicture {
        segment: key.segment.unwrap_or(0),
        feed,
        reference: Grid::new(r, height(golden.shape()), low, high)?,
        candidate: Grid::new(c, height(candidate.shape()), low, high)?,
        difference: difference.flatten(),
    })
}
