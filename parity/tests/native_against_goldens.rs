//! The native engine against the goldens in the repository: every stage of every case, on its
//! own and in the chain.

mod model;

use native::engine::Engine;
use parity::case::{CaseFile, Keep};
use parity::exit::Exit;
use parity::judge::{Evaluation, StageOutcome, Summary, Tolerances, Verdict};
use parity::record::{NativeRecorder, run_native};
use parity::recording::{Reader, RecordedCase};

#[test]
fn every_stage_of_every_case_is_within_its_limits() {
    let golden_dir = model::workspace().join("golden");
    let golden = Reader::open(golden_dir.join("tiny-7")).expect("the golden");
    let cases = CaseFile::load(golden_dir.join("cases.toml")).expect("the cases");
    let tolerances = Tolerances::load(golden_dir.join("tolerances.toml")).expect("the limits");
    let mut recorder = NativeRecorder::load(Engine::builder(model::tiny()), "cpu", "f32")
        .expect("the model loads");

    let session = run_native(&mut recorder, &cases, &golden, |_| {});
    let expected: Vec<_> = cases
        .cases
        .iter()
        .map(|case| RecordedCase::of(case, &cases).expect("the prompts can be read"))
        .collect();
    let evaluation = Evaluation {
        golden: &golden,
        isolated: Some(&session.isolated),
        cascaded: Some(&session.cascaded),
        expected: Some(&expected),
        tolerances: &tolerances,
    };
    let outcomes: Vec<_> = evaluation
        .names()
        .iter()
        .map(|name| evaluation.judge(&evaluation.load(name).expect("a record in memory")))
        .collect();

    let mut problems: Vec<String> = session
        .failed
        .iter()
        .map(|(case, e)| format!("{case}: {e}"))
        .collect();
    for (outcome, case) in outcomes.iter().zip(&cases.cases) {
        assert_eq!(outcome.name, case.name);
        problems.extend(
            outcome
                .problem
                .iter()
                .map(|p| format!("{}: {p}", outcome.name)),
        );
        let cells: Vec<_> = outcome
            .stages
            .iter()
            .flat_map(|s: &StageOutcome| s.cells().map(move |(feed, cell)| (s.stage, feed, cell)))
            .collect();
        let passed = cells
            .iter()
            .filter(|(_, _, cell)| cell.verdict == Verdict::Pass)
            .count();
        if passed < least(case.keep) {
            problems.push(format!("{}: only {passed} cells were compared", case.name));
        }
        for (stage, feed, cell) in cells {
            if cell.verdict == Verdict::Pass {
                continue;
            }
            problems.push(format!(
                "{} {stage} {}: {} {:?}",
                outcome.name,
                feed.name(),
                cell.verdict.name(),
                cell.values
            ));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    let summary = Summary::of(&outcomes);
    assert_eq!(summary.exit(), Exit::Parity);
    assert_eq!(outcomes.len(), cases.cases.len());
}

/// Cells that a case of the shortest chain, voice conversion, compares at least.
fn least(keep: Keep) -> usize {
    match keep {
        Keep::Everything => 40,
        Keep::Sound => 8,
        Keep::Tokens => 6,
    }
}
