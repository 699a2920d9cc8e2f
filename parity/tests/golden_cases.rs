//! The native engine against the goldens in the repository: every stage of every case, on its own
//! and in the chain. One test per case, generated from `golden/cases.toml` by the build script.

use std::collections::BTreeSet;
use std::sync::{LazyLock, Mutex, PoisonError};

use native::engine::Engine;
use parity::case::{CaseFile, Keep};
use parity::exit::Exit;
use parity::judge::{Evaluation, StageOutcome, Summary, Tolerances, Verdict};
use parity::record::{NativeRecorder, run_native};
use parity::recording::{Reader, RecordedCase, RecordingSource as _};

use crate::model;

include!(concat!(env!("OUT_DIR"), "/golden_cases.rs"));

fn golden() -> Reader {
    Reader::open(model::workspace().join("golden/tiny-7")).expect("the golden")
}

fn cases() -> CaseFile {
    CaseFile::load(model::workspace().join("golden/cases.toml")).expect("the cases")
}

/// Runs a case alone and requires parity in every stage, isolated and cascaded.
fn check(name: &str) {
    static RECORDER: LazyLock<Mutex<NativeRecorder>> = LazyLock::new(|| {
        let recorder = NativeRecorder::load(Engine::builder(model::tiny()), "cpu", "f32");
        Mutex::new(recorder.expect("the model loads"))
    });
    let tolerances = model::workspace().join("golden/tolerances.toml");
    let tolerances = Tolerances::load(tolerances).expect("the limits");
    let (golden, cases) = (golden(), cases().select(&[name.to_owned()]));
    let cases = cases.expect("the case");
    let case = &cases.cases[0];

    // A case that failed in another test leaves the recorder as it was.
    let mut recorder = RECORDER.lock().unwrap_or_else(PoisonError::into_inner);
    let session = run_native(&mut recorder, &cases, &golden, |_| {});
    drop(recorder);
    let failed: Vec<_> = session.failed.iter().map(|(_, e)| e.to_string()).collect();
    assert!(failed.is_empty(), "{failed:?}");

    let expected = [RecordedCase::of(case, &cases).expect("the prompts can be read")];
    let evaluation = Evaluation {
        golden: &golden,
        isolated: Some(&session.isolated),
        cascaded: Some(&session.cascaded),
        expected: Some(&expected),
        tolerances: &tolerances,
    };
    assert_eq!(evaluation.names(), [name]);
    let outcome = evaluation.judge(&evaluation.load(name).expect("a record in memory"));
    assert_eq!(outcome.problem, None);
    let cells: Vec<_> = outcome
        .stages
        .iter()
        .flat_map(|s: &StageOutcome| s.cells().map(move |(feed, cell)| (s.stage, feed, cell)))
        .collect();
    let problems: Vec<_> = cells
        .iter()
        .filter(|(_, _, cell)| cell.verdict != Verdict::Pass)
        .map(|(stage, feed, cell)| {
            let (feed, verdict) = (feed.name(), cell.verdict.name());
            format!("{stage} {feed}: {verdict} {:?}", cell.values)
        })
        .collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    let least = least(case.keep);
    assert!(cells.len() >= least, "only {} cells compared", cells.len());
    assert_eq!(Summary::of(&[outcome]).exit(), Exit::Parity);
}

/// Cells that a case of the shortest chain, voice conversion, compares at least.
fn least(keep: Keep) -> usize {
    match keep {
        Keep::Everything => 40,
        Keep::Sound => 8,
        Keep::Tokens => 6,
    }
}

#[test]
fn the_golden_and_the_generated_tests_cover_exactly_the_cases() {
    let (golden, cases) = (golden(), cases());
    assert_eq!(GENERATED, cases.cases.len());
    let listed: BTreeSet<_> = cases.cases.iter().map(|case| &case.name).collect();
    let recorded: BTreeSet<_> = golden.manifest().cases.keys().collect();
    assert_eq!(listed, recorded);
}
