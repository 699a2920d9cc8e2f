//! How close every stage of a run is to its limits, and what is kept of that for later runs.

use sha2::{Digest as _, Sha256};

use super::model::{PastRun, PastStage, Report};
use crate::judge::{Check, StageOutcome, Verdict, is_exact, margin};
use crate::metric::Value;
use crate::stage::{Feed, Stage};

/// A stage under a feed, and the check of any case that is closest to its limit.
pub(super) struct Tightest<'a> {
    pub(super) stage: Stage,
    pub(super) feed: Feed,
    pub(super) verdict: Verdict,
    /// The case and the check, if any limit of the stage leaves room.
    pub(super) closest: Option<(&'a str, &'a Check)>,
}

/// Every stage that was compared, under each feed.
pub(super) fn tightest(report: &Report) -> Vec<Tightest<'_>> {
    let mut all: Vec<Tightest<'_>> = Vec::new();
    for info in &report.stages {
        for feed in Feed::ALL {
            let of_stage = report.cases.iter().flat_map(|case| {
                let rows = case.outcome.stages.iter();
                let rows = rows.filter(|s: &&StageOutcome| s.stage == info.stage);
                rows.filter_map(move |s| Some((&*case.outcome.name, s.cell(feed)?)))
            });
            let cells: Vec<_> = of_stage.collect();
            if cells.is_empty() {
                continue;
            }
            let checks = cells.iter().flat_map(|(case, cell)| {
                let checks = cell.values.iter().flat_map(|v| &v.checks);
                checks.map(move |check| (*case, check))
            });
            let leaves_room = |c: &Check| c.value.is_some() && !c.by_floor && !is_exact(c);
            let closest = checks
                .filter(|(_, check)| leaves_room(check) && !margin(check).is_nan())
                .min_by(|a, b| margin(a.1).total_cmp(&margin(b.1)));
            all.push(Tightest {
                stage: info.stage,
                feed,
                verdict: Verdict::of(cells.iter().map(|(_, cell)| cell.verdict)),
                closest,
            });
        }
    }
    all
}

impl PastRun {
    /// What is kept of a report. None if it is only a part of a run, or compared nothing.
    pub fn of(report: &Report) -> Option<Self> {
        let candidate = report.candidates.first()?;
        if report.shard.is_some() || report.cases.is_empty() {
            return None;
        }
        let mut names = Sha256::new();
        for case in &report.cases {
            names.update(case.outcome.name.as_bytes());
            names.update([0]);
        }
        let stage = |t: &Tightest<'_>| PastStage {
            stage: t.stage,
            feed: t.feed,
            verdict: t.verdict,
            headroom: t.closest.map(|(_, check)| Value(margin(check))),
        };
        Some(Self {
            made_at: report.made_at.clone(),
            parity_version: report.parity_version.clone(),
            engine: candidate.engine.clone(),
            engine_version: candidate.version.clone(),
            engine_commit: candidate.commit.clone(),
            device: candidate.device.clone(),
            precision: candidate.precision.clone(),
            model: report.golden.model.clone(),
            golden_sha256: report.golden_sha256.clone(),
            limits_sha256: report.limits.as_ref().map(|l| l.sha256.clone()),
            cases: report.cases.len(),
            cases_sha256: format!("{:x}", names.finalize()),
            verdict: report.status().meaning().into(),
            stages: tightest(report).iter().map(stage).collect(),
        })
    }
}
