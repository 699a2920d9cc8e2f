use std::collections::BTreeSet;

use crate::case::Case;
use crate::judge::partings::{follows_tokens, has_explained};
use crate::judge::{CaseOutcome, Cell, StageOutcome, Summary, ValueOutcome, Verdict};
use crate::layers::{LayerReport, first_departing};
use crate::report::model::{LengthParity, REPORT_VERSION, Report};
use crate::stage::{Feed, Stage};
use crate::text_corpus;

/// The first version whose reports have everything that a verdict rests on.
const COMPLETE: u32 = 4;

/// The report with every verdict derived from what it rests on, and of this version.
///
/// # Errors
/// If it contradicts itself.
pub(super) fn derived(mut report: Report) -> Result<Report, String> {
    refuse_contradictions(&report)?;
    let complete = report.version >= COMPLETE;
    let feeds: Vec<Feed> = report.candidates.iter().map(|c| c.feed).collect();
    for case in &mut report.cases {
        derive_fault(&mut case.outcome);
        if complete {
            add_missing_stages(&mut case.outcome, &feeds);
        }
        derive_case(&mut case.outcome, complete);
    }
    report.layers.iter_mut().for_each(derive_layers);
    report.text_corpus.iter_mut().for_each(derive_texts);
    report.length_parity = report
        .length_parity
        .and_then(|l| LengthParity::of(l.segments));
    let outcomes: Vec<_> = report.cases.iter().map(|c| c.outcome.clone()).collect();
    report.summary = Summary::of(&outcomes);
    report.version = REPORT_VERSION;
    Ok(report.with_status())
}

fn refuse_contradictions(report: &Report) -> Result<(), String> {
    let shards = report.shard.iter().chain(&report.missing_shards);
    if let Some(s) = shards.into_iter().find(|s| !s.is_possible()) {
        return Err(format!("there is no shard {} of {}", s.index, s.of));
    }
    if report.version >= COMPLETE && report.limits.is_none() {
        return Err("it does not say by which limits it was judged".into());
    }
    if report.version >= COMPLETE && report.run_cases.is_empty() && !report.cases.is_empty() {
        return Err("it does not say which cases the run has".into());
    }
    if let Some(name) = report.run_cases.iter().find(|n| !Case::is_name(n)) {
        return Err(format!("\"{}\" is not a case's name", name.escape_debug()));
    }
    let known = |number: &usize| {
        let mut of = report.shard.iter().chain(&report.missing_shards);
        of.next().is_some_and(|s| (1..=s.of).contains(number))
    };
    let of_each = report.run_shards.len() == report.run_cases.len();
    let told = of_each && report.run_shards.iter().all(known);
    if !(told || report.run_shards.is_empty()) {
        return Err("it does not say of each case of the run which shard has it".into());
    }
    let run: BTreeSet<_> = report.run_cases.iter().collect();
    let mut seen = BTreeSet::new();
    for outcome in report.cases.iter().map(|c| &c.outcome) {
        let name = &outcome.name;
        if !Case::is_name(name) {
            return Err(format!("\"{}\" is not a case's name", name.escape_debug()));
        }
        if !seen.insert(name) {
            return Err(format!("case {name} is in it twice"));
        }
        if !run.is_empty() && !run.contains(name) {
            return Err(format!("case {name} is not of its run"));
        }
        if outcome.case.as_ref().is_some_and(|c| c.name != *name) {
            return Err(format!("what it calls case {name} is another one"));
        }
        for stage in &outcome.stages {
            let values = stage.cells().flat_map(|(_, cell)| &cell.values);
            if let Some(value) = values.into_iter().find(|v| v.key.stage != stage.stage) {
                let (key, stage) = (&value.key, stage.stage);
                return Err(format!("case {name}, {stage}: {key} is of another stage"));
            }
        }
    }
    Ok(())
}

/// Adds the stages that a case must have and the report lacks, as missing.
fn add_missing_stages(outcome: &mut CaseOutcome, feeds: &[Feed]) {
    let Some(case) = outcome.case.clone().filter(|_| !outcome.golden_at_fault) else {
        return;
    };
    let expected = |s: &Stage| !s.is_auxiliary() && case.has(*s) && case.keeps(*s);
    for stage in Stage::all().filter(expected) {
        let at = match outcome.stages.iter().position(|s| s.stage == stage) {
            Some(at) => at,
            None => {
                let at = outcome.stages.partition_point(|s| s.stage < stage);
                let (isolated, cascaded) = (None, None);
                let absent = StageOutcome {
                    stage,
                    isolated,
                    cascaded,
                };
                outcome.stages.insert(at, absent);
                at
            }
        };
        for feed in feeds.iter().filter(|f| f.requires(stage)) {
            let Some(row) = outcome.stages.get_mut(at) else {
                continue;
            };
            let cell = match feed {
                Feed::Isolated => &mut row.isolated,
                Feed::Cascaded => &mut row.cascaded,
            };
            cell.get_or_insert_with(|| Cell {
                verdict: Verdict::Missing,
                reason: Some("the report lacks it".into()),
                origin: None,
                values: Vec::new(),
            });
        }
    }
}

fn derive_fault(outcome: &mut CaseOutcome) {
    let of_golden = matches!(outcome.verdict, Verdict::Stale | Verdict::Damaged);
    // Only a golden that cannot be used leaves a case without its description.
    outcome.golden_at_fault |= of_golden || outcome.problem.is_some() || outcome.case.is_none();
}

fn derive_case(outcome: &mut CaseOutcome, complete: bool) {
    // Isolated tokens first: they say whether what follows from end to end may be another speech.
    let tokens = outcome
        .stages
        .iter_mut()
        .find(|s| s.stage == Stage::LlmTokens);
    if let Some(cell) = tokens.and_then(|s| s.isolated.as_mut()) {
        derive_cell(cell, complete, complete);
    }
    let parted = has_explained(outcome);
    for row in &mut outcome.stages {
        let cells = [
            (Feed::Isolated, &mut row.isolated),
            (Feed::Cascaded, &mut row.cascaded),
        ];
        for (feed, cell) in cells {
            let another_speech = feed == Feed::Cascaded && parted && follows_tokens(row.stage);
            let required = complete && feed.requires(row.stage) && !another_speech;
            if let Some(cell) = cell {
                derive_cell(cell, required, complete);
            }
        }
    }
    let cells = outcome.stages.iter().flat_map(StageOutcome::cells);
    let derived = Verdict::of(cells.map(|(_, cell)| cell.verdict));
    let good = matches!(outcome.verdict, Verdict::Pass | Verdict::Skipped);
    if !outcome.golden_at_fault {
        outcome.verdict = derived;
    } else if good {
        outcome.verdict = Verdict::of([Verdict::Missing, derived]);
    }
}

/// A cell is as good as its worst value, and not green without one. Only what the feed does not
/// require may have been left out.
fn derive_cell(cell: &mut Cell, required: bool, complete: bool) {
    for value in &mut cell.values {
        derive_value(value, complete);
    }
    let derived = match cell.values.is_empty() {
        true => Verdict::Missing,
        false => Verdict::of(cell.values.iter().map(|v| v.verdict)),
    };
    cell.verdict = match cell.verdict {
        Verdict::Pass => derived,
        Verdict::Skipped if cell.values.is_empty() && !required => Verdict::Skipped,
        other => Verdict::of([other, derived]),
    };
}

/// A value is green if limits apply to it that hold for what was measured, and not all of them are
/// blind to gain.
fn derive_value(value: &mut ValueOutcome, complete: bool) {
    for check in &mut value.checks {
        check.value = value.measures.get(&check.metric).copied();
        let within = check.is_within();
        // Older reports do not keep the floors.
        let unknown_floor = !complete && check.floor.is_none() && check.by_floor;
        let below = unknown_floor || check.is_below_floor(&value.measures);
        check.by_floor = !within && below;
        check.passed = within || check.by_floor;
    }
    let blind = value
        .checks
        .iter()
        .all(|c| c.metric.definition().gain_blind);
    if matches!(value.verdict, Verdict::Pass | Verdict::Skipped) {
        value.verdict = if value.checks.iter().any(|c| !c.passed) {
            Verdict::Fail
        } else if blind {
            Verdict::Missing
        } else {
            Verdict::Pass
        };
    }
}

fn derive_layers(report: &mut LayerReport) {
    for network in &mut report.networks {
        network.first = first_departing(&network.layers);
    }
}

fn derive_texts(texts: &mut text_corpus::Summary) {
    let by_setting = texts.settings.iter().map(|s| s.differing).max();
    let known = [
        texts.differing,
        texts.examples.len(),
        by_setting.unwrap_or(0),
    ];
    let counted = texts.compared.saturating_sub(texts.agreed);
    texts.differing = known.into_iter().fold(counted, usize::max);
    texts.lines = texts.lines.max(texts.compared);
}
