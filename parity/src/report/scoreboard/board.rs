use std::collections::BTreeSet;

use serde::Serialize;

use crate::judge::{StageOutcome, Verdict};
use crate::report::model::Report;
use crate::report::render::Headline;
use crate::stage::{Feed, Stage};

/// Version of the output of `parity scoreboard --json`.
const VERSION: u32 = 1;

/// Stages by engines.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scoreboard {
    /// Version of the format.
    pub version: u32,
    /// The model.
    pub model: String,
    /// The reference that recorded the golden.
    pub reference: String,
    /// The cases.
    pub cases: Vec<String>,
    /// The recordings: one for each engine and feed.
    pub columns: Vec<Column>,
    /// The stages that were held in any of them, in the order of computation.
    pub rows: Vec<Row>,
    /// What each engine gets wrong, in the order given.
    pub wrong: Vec<Wrong>,
}

/// One recording of an engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Column {
    /// The engine and its version.
    pub engine: String,
    /// Where its stages got their inputs.
    pub feed: Feed,
}

/// One stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The stage.
    pub stage: Stage,
    /// How each recording did.
    pub held: Vec<Held>,
}

/// How a recording did at a stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Held {
    /// Cases within the limits.
    pub passed: usize,
    /// Cases beyond them.
    pub failed: usize,
    /// Cases in which the engine has nothing to compare.
    pub missing: usize,
}

impl Held {
    /// How many cases were compared.
    pub fn compared(self) -> usize {
        self.passed + self.failed
    }
}

/// What an engine gets wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Wrong {
    /// The engine and its version.
    pub engine: String,
    /// The verdict, in words.
    pub verdict: String,
    /// On how many stages it could be held, under any feed.
    pub stages: usize,
    /// On how many of these every case is within its limits, under every feed.
    pub right: usize,
    /// Where it begins, the likely mistakes, and what happened in one case.
    pub lines: Vec<String>,
}

/// The reports cannot stand side by side.
#[derive(Debug, thiserror::Error)]
pub enum ScoreboardError {
    /// There is no report.
    #[error("name the report.json of every engine")]
    Nothing,
    /// A report is of another golden.
    #[error(
        "report {number} is held to another golden than report 1: judge both with the same --golden"
    )]
    Golden {
        /// The report's number, counted from 1.
        number: usize,
    },
    /// A report has other cases.
    #[error(
        "report {number} has other cases than report 1, such as {example}: judge both with the same --case"
    )]
    Cases {
        /// The report's number, counted from 1.
        number: usize,
        /// A case that only one of them has.
        example: String,
    },
    /// A report was judged by other limits.
    #[error(
        "report {number} was judged by other limits than report 1: judge both with the same --tolerances"
    )]
    Limits {
        /// The report's number, counted from 1.
        number: usize,
    },
}

impl Scoreboard {
    /// The engines of reports of one golden.
    ///
    /// # Errors
    /// If there is none, or if they have other goldens, limits or cases.
    pub fn of(reports: &[Report]) -> Result<Self, ScoreboardError> {
        let first = reports.first().ok_or(ScoreboardError::Nothing)?;
        for (report, number) in reports.iter().zip(1..).skip(1) {
            comparable(first, report, number)?;
        }
        let columns = reports.iter().flat_map(|report| {
            let feeds = report.candidates.iter().map(|c| c.feed);
            feeds.map(move |feed| (report, feed))
        });
        let columns: Vec<(&Report, Feed)> = columns.collect();
        let stages: BTreeSet<Stage> = reports
            .iter()
            .flat_map(|r| r.stages.iter().map(|s| s.stage))
            .collect();
        let rows = stages.into_iter().map(|stage| Row {
            stage,
            held: columns.iter().map(|(r, f)| held(r, stage, *f)).collect(),
        });
        Ok(Self {
            version: VERSION,
            model: first.golden.model.clone(),
            reference: first.golden.engine.clone(),
            cases: names(first).into_iter().map(str::to_owned).collect(),
            rows: rows
                .filter(|row| row.held.iter().any(|h| h.compared() > 0))
                .collect(),
            columns: columns
                .iter()
                .map(|(report, feed)| Column {
                    engine: engine(report),
                    feed: *feed,
                })
                .collect(),
            wrong: reports.iter().map(wrong).collect(),
        })
    }
}

fn comparable(first: &Report, other: &Report, number: usize) -> Result<(), ScoreboardError> {
    let golden = |r: &Report| (r.golden_sha256.clone(), r.golden.model.clone());
    if golden(first) != golden(other) {
        return Err(ScoreboardError::Golden { number });
    }
    if let Some(name) = names(first).symmetric_difference(&names(other)).next() {
        let example = (*name).to_owned();
        return Err(ScoreboardError::Cases { number, example });
    }
    let limits = |r: &Report| r.limits.as_ref().map(|l| l.sha256.clone());
    if limits(first) != limits(other) {
        return Err(ScoreboardError::Limits { number });
    }
    Ok(())
}

fn names(report: &Report) -> BTreeSet<&str> {
    report.cases.iter().map(|c| &*c.outcome.name).collect()
}

fn engine(report: &Report) -> String {
    let candidate = report.candidates.first();
    let name = candidate.map_or_else(String::new, |c| format!("{} {}", c.engine, c.version));
    name.trim_end().to_owned()
}

fn held(report: &Report, stage: Stage, feed: Feed) -> Held {
    let mut held = Held::default();
    let stages = report.cases.iter().flat_map(|c| &c.outcome.stages);
    for cell in stages
        .filter(|s: &&StageOutcome| s.stage == stage)
        .filter_map(|s| s.cell(feed))
    {
        match cell.verdict {
            Verdict::Pass => held.passed += 1,
            Verdict::Fail => held.failed += 1,
            Verdict::Missing => held.missing += 1,
            Verdict::Skipped | Verdict::Stale | Verdict::Damaged => {}
        }
    }
    held
}

fn wrong(report: &Report) -> Wrong {
    let feeds = || report.candidates.iter().map(|c| c.feed);
    let stages = report.stages.iter().map(|info| {
        let all = feeds().map(|feed| held(report, info.stage, feed));
        all.fold((0, 0), |(compared, failed), h| {
            (compared + h.compared(), failed + h.failed)
        })
    });
    let stages: Vec<_> = stages.filter(|(compared, _)| *compared > 0).collect();
    let mut lines = report.problems();
    if let Some(headline) = Headline::of(report) {
        lines.push(headline.begins);
        lines.extend(headline.likely.iter().map(|l| format!("likely: {l}")));
        let story = headline.stories.first();
        lines.extend(story.map(|(case, words)| format!("{case}: {words}")));
        lines.extend(headline.lengths.map(|l| format!("lengths: {l}")));
    }
    Wrong {
        engine: engine(report),
        verdict: report.status().meaning().to_owned(),
        stages: stages.len(),
        right: stages.iter().filter(|(_, failed)| *failed == 0).count(),
        lines,
    }
}
