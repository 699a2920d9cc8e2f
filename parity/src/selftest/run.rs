use std::path::Path;

use super::faults::{Expected, FAULTS};
use super::plant::Sides;
use crate::exit::Exit;
use crate::judge::{CaseOutcome, Evaluation, Summary, Tolerances, Verdict};
use crate::recording::{Error, Reader, Recording, RecordingSource};
use crate::stage::Feed;

/// The result of planting a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// Plants every fault that a golden has a place for.
///
/// # Errors
/// If the golden, or a damaged copy of it, cannot be written to a temporary folder.
pub fn run(golden: &Recording, tolerances: &Tolerances) -> Result<Vec<Planted>, Error> {
    let candidate = |feed: Feed| {
        let mut recording = golden.clone();
        recording.manifest.feed = feed;
        recording.manifest.engine.name = "native".into();
        for case in recording.cases.values_mut() {
            case.tensors.retain(|key, _| feed.requires(key.stage));
            case.noise.clear();
        }
        recording
    };
    let sides = Sides {
        isolated: candidate(Feed::Isolated),
        cascaded: candidate(Feed::Cascaded),
        golden: golden.clone(),
    };
    let mut all = Vec::new();
    for fault in FAULTS {
        let mut sides = sides.clone();
        if (fault.plant)(&mut sides) {
            let (outcomes, exit) = judge(&sides.golden, &sides, tolerances)?;
            all.push(verify(fault.what, fault.expected, &outcomes, exit));
        }
    }
    if let Some(case) = golden.cases.keys().next() {
        for file in ["tensors.safetensors", "audio.wav", "case.json", "text.json"] {
            let (outcomes, exit) = judge_with_a_flipped_bit(&sides, case, file, tolerances)?;
            let what = format!("one bit of the golden's {case}/{file} flipped");
            all.push(verify(&what, Expected::Damaged, &outcomes, exit));
        }
    }
    Ok(all)
}

fn judge(
    golden: &dyn RecordingSource,
    sides: &Sides,
    tolerances: &Tolerances,
) -> Result<(Vec<CaseOutcome>, Exit), Error> {
    let evaluation = Evaluation {
        golden,
        isolated: Some(&sides.isolated),
        cascaded: Some(&sides.cascaded),
        expected: None,
        tolerances,
    };
    let outcomes: Vec<_> = evaluation
        .names()
        .iter()
        .map(|n| Ok(evaluation.judge(&evaluation.load(n)?)))
        .collect::<Result<_, _>>()?;
    let exit = Summary::of(&outcomes).exit();
    Ok((outcomes, exit))
}

fn verify(what: &str, expected: Expected, outcomes: &[CaseOutcome], exit: Exit) -> Planted {
    let introduced = outcomes.iter().find_map(|o| o.first_introduced);
    let with = |verdict, feed: Option<Feed>| {
        let stages = outcomes.iter().flat_map(|o| &o.stages);
        let mut cells = stages.flat_map(|s| s.cells().map(move |(f, c)| (s.stage, f, c)));
        cells
            .find(|(_, f, c)| c.verdict == verdict && feed.is_none_or(|feed| feed == *f))
            .map(|c| c.0)
    };
    let worst = Verdict::of(outcomes.iter().map(|o| o.verdict));
    let (wanted, caught) = match expected {
        Expected::Parity => ("parity".into(), exit == Exit::Parity),
        Expected::Introduced(stage) => (
            format!("{stage} fails first"),
            introduced == Some(stage) && exit == Exit::Failed,
        ),
        Expected::Missing(stage) => (
            format!("{stage} is missing"),
            with(Verdict::Missing, None) == Some(stage) && exit == Exit::Failed,
        ),
        Expected::Inherited(stage) => (
            format!("{stage} fails cascaded, no stage is blamed"),
            with(Verdict::Fail, Some(Feed::Cascaded)) == Some(stage)
                && introduced.is_none()
                && exit == Exit::Failed,
        ),
        Expected::Stale => (
            "golden is stale".into(),
            worst == Verdict::Stale && exit == Exit::Golden,
        ),
        Expected::Damaged => (
            "golden is damaged".into(),
            worst == Verdict::Damaged && exit == Exit::Golden,
        ),
        Expected::Exit(wanted) => (wanted.meaning().into(), exit == wanted),
    };
    let found = match introduced {
        Some(stage) => format!("{stage} fails first"),
        None => format!("{}, {}", worst.name(), exit.meaning()),
    };
    Planted {
        fault: what.to_owned(),
        expected: wanted,
        found,
        caught,
    }
}

/// Writes the golden, flips one bit in the middle of a file, and judges against what is read.
fn judge_with_a_flipped_bit(
    sides: &Sides,
    case: &str,
    file: &str,
    tolerances: &Tolerances,
) -> Result<(Vec<CaseOutcome>, Exit), Error> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Io { path, source }
    };
    let parent = tempfile::tempdir().map_err(io(&std::env::temp_dir()))?;
    let dir = parent.path().join("golden");
    sides.golden.write(&dir)?;
    let path = dir.join(case).join(file);
    let mut bytes = std::fs::read(&path).map_err(io(&path))?;
    let middle = bytes.len() / 2;
    bytes.iter_mut().skip(middle).take(1).for_each(|b| *b ^= 1);
    std::fs::write(&path, bytes).map_err(io(&path))?;
    judge(&Reader::open(&dir)?, sides, tolerances)
}
