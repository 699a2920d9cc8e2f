use std::collections::BTreeSet;

use rayon::prelude::*;
use serde::Serialize;

use super::fault::{Expected, Fault, Plant};
use super::faults;
use super::judging::{Bench, Found, status};
use crate::exit::Exit;
use crate::judge::{CaseOutcome, Limit, Tolerances, Verdict};
use crate::recording::{Error, Recording};
use crate::stage::{Feed, Stage};

/// The result of planting a fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Planted {
    /// The fault.
    pub fault: String,
    /// The expected finding.
    pub expected: String,
    /// The actual finding.
    pub found: String,
    /// Whether the fault was found as expected.
    pub caught: bool,
}

/// Plants every fault that a golden has a place for, and judges by `tolerances`. Beside the table
/// of faults, the limits of every device and precision that they name are tested.
///
/// # Errors
/// If a damaged copy of the golden, or a report, cannot be written to a temporary folder.
pub fn run(golden: &Recording, tolerances: &Tolerances) -> Result<Vec<Planted>, Error> {
    let bench = Bench::new(golden, tolerances)?;
    let nothing = verify("nothing", Expected::Parity, &bench.unchanged());
    let bench = bench.representative();
    let faults: Vec<_> = faults::all().collect();
    let planted = faults.par_iter().map(|fault| {
        let found = plant(&bench, fault, tolerances)?;
        Ok(found.map(|found| verify(fault.what, fault.expected, &found)))
    });
    let planted = planted.collect::<Result<Vec<_>, Error>>()?;
    let mut all = vec![nothing];
    all.extend(planted.into_iter().flatten());
    for conditions in conditions(tolerances) {
        let what = format!("gross faults by the limits of {}", conditions.join(", "));
        let found = bench.test_conditions(conditions);
        all.push(verify(&what, Expected::Parity, &found));
    }
    Ok(all)
}

/// Plants a fault and says what was found; None if the golden has no place for it.
fn plant(
    bench: &Bench<'_>,
    fault: &Fault,
    tolerances: &Tolerances,
) -> Result<Option<Found>, Error> {
    match fault.plant {
        Plant::Recordings(plant) => {
            let mut sides = bench.sides.clone();
            if plant(&mut sides) {
                bench.judge(&sides).map(Some)
            } else {
                Ok(None)
            }
        }
        Plant::Port(plant) => {
            let mut sides = bench.sides.clone();
            match plant(&mut sides) {
                true => bench.judge_port(&sides).map(Some),
                false => Ok(None),
            }
        }
        Plant::File(file, change) => bench.judge_file(file, change),
        Plant::Limits(change) => {
            let mut changed = tolerances.clone();
            change(&mut changed);
            bench.test_limits(&changed).map(Some)
        }
        Plant::Shards(change) => bench.merge(change),
        Plant::Json(change) => bench.read(change),
    }
}

/// Every candidate, device and precision for which there may be other limits.
fn conditions(tolerances: &Tolerances) -> Vec<[&str; 3]> {
    fn named<'a>(
        tolerances: &'a Tolerances,
        usual: &'a str,
        of: fn(&Limit) -> Option<&String>,
    ) -> BTreeSet<&'a str> {
        let named = tolerances.limits.iter().filter_map(of);
        named.map(String::as_str).chain([usual]).collect()
    }
    let engines = named(tolerances, "native", |l| l.candidate.as_ref());
    let devices = named(tolerances, "cpu", |l| l.device.as_ref());
    let precisions = named(tolerances, "f32", |l| l.precision.as_ref());
    let mut all = Vec::new();
    for engine in engines {
        for &device in &devices {
            all.extend(precisions.iter().map(|&p| [engine, device, p]));
        }
    }
    all
}

fn verify(what: &str, expected: Expected, found: &Found) -> Planted {
    let (exit, outcomes) = match found {
        Found::Judged(outcomes) => (Some(status(outcomes)), outcomes.as_slice()),
        Found::Run(exit) | Found::Likely(exit, _) => (Some(*exit), &[][..]),
        Found::Refused(_) | Found::LetThrough(_) => (None, &[][..]),
    };
    let (introduced, worst) = (introduced(outcomes), worst(outcomes));
    let failed = exit == Some(Exit::Failed);
    let (wanted, caught) = match expected {
        Expected::Parity => ("parity".into(), exit == Some(Exit::Parity)),
        Expected::Introduced(stage) => (
            format!("{stage} fails first"),
            failed && introduced == Some(stage),
        ),
        Expected::Missing(stage) => (
            format!("{stage} is missing"),
            failed && first(outcomes, Verdict::Missing, None) == Some(stage),
        ),
        Expected::Inherited(stage) => (
            format!("{stage} fails cascaded, no stage is blamed"),
            failed
                && introduced.is_none()
                && first(outcomes, Verdict::Fail, Some(Feed::Cascaded)) == Some(stage),
        ),
        Expected::Stale => (
            "golden is stale".into(),
            exit == Some(Exit::Golden) && worst == Verdict::Stale,
        ),
        Expected::Damaged => (
            "golden is damaged".into(),
            exit == Some(Exit::Golden) && worst == Verdict::Damaged,
        ),
        Expected::Exit(wanted) => (wanted.meaning().into(), exit == Some(wanted)),
        Expected::Refused(words) => (
            format!("refused: {words}"),
            matches!(found, Found::Refused(reason) if reason.contains(words)),
        ),
        Expected::Cause(cause) => (
            format!("likely: {}", cause.words()),
            matches!(found, Found::Likely(Exit::Failed, causes) if causes.first() == Some(&cause)),
        ),
        Expected::LetThrough => (
            "the limits let gross faults through".into(),
            matches!(found, Found::LetThrough(_)),
        ),
    };
    let found = match (found, introduced) {
        (_, Some(stage)) => format!("{stage} fails first"),
        (Found::Judged(_), None) => {
            let exit = exit.map_or("", Exit::meaning);
            format!("{}, {exit}", worst.name())
        }
        (Found::Run(exit), None) => exit.meaning().into(),
        (Found::Refused(reason), None) => format!("refused: {reason}"),
        (Found::LetThrough(words), None) => words.clone(),
        (Found::Likely(exit, causes), None) => {
            let names: Vec<_> = causes.iter().map(|cause| cause.name()).collect();
            format!("{}, likely: {}", exit.meaning(), names.join(", "))
        }
    };
    Planted {
        fault: what.to_owned(),
        expected: wanted,
        found,
        caught,
    }
}

/// The stage that is blamed for the first error.
fn introduced(outcomes: &[CaseOutcome]) -> Option<Stage> {
    outcomes.iter().find_map(|o| o.first_introduced)
}

fn worst(outcomes: &[CaseOutcome]) -> Verdict {
    Verdict::of(outcomes.iter().map(|o| o.verdict))
}

/// The first stage with a verdict, under one feed or any.
fn first(outcomes: &[CaseOutcome], verdict: Verdict, feed: Option<Feed>) -> Option<Stage> {
    let stages = outcomes.iter().flat_map(|o| &o.stages);
    let mut cells = stages.flat_map(|s| s.cells().map(move |(f, c)| (s.stage, f, c)));
    cells
        .find(|(_, f, c)| c.verdict == verdict && feed.is_none_or(|feed| feed == *f))
        .map(|c| c.0)
}
