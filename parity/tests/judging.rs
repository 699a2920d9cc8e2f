//! What the judge says of recordings with known faults.

use std::collections::BTreeMap;

use crate::made_up;
use parity::array::Array;
use parity::case::Keep;
use parity::exit::Exit;
use parity::judge::{CaseOutcome, Evaluation, Origin, Summary, Tolerances, Verdict};
use parity::recording::{RecordedCase, Recording, sha256};
use parity::stage::{Feed, Key, Stage};

struct Sides {
    golden: Recording,
    isolated: Recording,
    cascaded: Recording,
    tolerances: Tolerances,
    anyway: bool,
}

/// A golden and a candidate that equals it under both feeds.
fn sides() -> Sides {
    let golden = made_up::golden();
    let mut isolated = made_up::recording("native");
    isolated.manifest.feed = Feed::Isolated;
    let mut cascaded = made_up::recording("native");
    for case in cascaded.cases.values_mut() {
        case.tensors
            .retain(|key, _| Feed::Cascaded.requires(key.stage));
    }
    Sides {
        golden,
        isolated,
        cascaded,
        tolerances: made_up::tolerances(),
        anyway: false,
    }
}

impl Sides {
    fn judge_with(
        &self,
        expected: Option<&[RecordedCase]>,
    ) -> (BTreeMap<String, CaseOutcome>, Exit) {
        let evaluation = Evaluation {
            golden: &self.golden,
            isolated: Some(&self.isolated),
            cascaded: Some(&self.cascaded),
            expected,
            tolerances: &self.tolerances,
            anyway: self.anyway,
        };
        let judge = |name: &String| evaluation.judge(&evaluation.load(name).unwrap());
        let outcomes: Vec<_> = evaluation.names().iter().map(judge).collect();
        let exit = Summary::of(&outcomes).exit();
        (
            outcomes.into_iter().map(|o| (o.name.clone(), o)).collect(),
            exit,
        )
    }

    fn judge(&self) -> (BTreeMap<String, CaseOutcome>, Exit) {
        self.judge_with(None)
    }
}

fn verdict(outcome: &CaseOutcome, stage: Stage, feed: Feed) -> Option<Verdict> {
    let found = outcome.stages.iter().find(|s| s.stage == stage)?;
    found.cell(feed).map(|c| c.verdict)
}

fn change(recording: &mut Recording, case: &str, key: &Key, f: impl FnOnce(&mut Vec<f32>)) {
    let array = recording
        .cases
        .get_mut(case)
        .unwrap()
        .tensors
        .get_mut(key)
        .unwrap();
    let mut values = array.as_f32().unwrap().to_vec();
    f(&mut values);
    *array = Array::f32(array.shape().to_vec(), values).unwrap();
}

#[test]
fn identical_recordings_are_in_parity_in_every_stage() {
    let (outcomes, exit) = sides().judge();
    assert_eq!(exit, Exit::Parity);
    for outcome in outcomes.values() {
        for stage in &outcome.stages {
            for (feed, cell) in stage.cells() {
                assert_eq!(
                    cell.verdict,
                    Verdict::Pass,
                    "{} {}: {cell:?}",
                    stage.stage,
                    feed.name()
                );
            }
        }
    }
    let first = &outcomes["first"];
    assert_eq!(verdict(first, Stage::LlmLogits, Feed::Cascaded), None);
    // The sound of the golden's tokens, which this recording has.
    assert_eq!(
        verdict(first, Stage::Speech, Feed::Isolated),
        Some(Verdict::Pass)
    );
    assert!(
        first
            .stages
            .iter()
            .all(|s| s.stage != Stage::SourceSpeechTokens)
    );
}

#[test]
fn a_stage_that_fails_alone_introduced_the_error_and_the_later_ones_inherit_it() {
    let mut sides = sides();
    let gain = |v: &mut Vec<f32>| v.iter_mut().for_each(|x| *x *= 1.01);
    change(
        &mut sides.isolated,
        "second",
        &Key::segment(Stage::FlowStep(4), 1),
        gain,
    );
    for stage in [
        Stage::FlowStep(4),
        Stage::FlowStep(5),
        Stage::FlowMel,
        Stage::VocoderWav,
    ] {
        change(&mut sides.cascaded, "second", &Key::segment(stage, 1), gain);
    }
    let (outcomes, exit) = sides.judge();
    assert_eq!(exit, Exit::Failed);
    let second = &outcomes["second"];
    assert_eq!(second.first_introduced, Some(Stage::FlowStep(4)));
    let origin = |stage, feed| {
        second
            .stages
            .iter()
            .find(|s| s.stage == stage)
            .unwrap()
            .cell(feed)
            .unwrap()
            .origin
    };
    assert_eq!(
        origin(Stage::FlowStep(4), Feed::Isolated),
        Some(Origin::Introduced)
    );
    assert_eq!(
        origin(Stage::FlowStep(5), Feed::Cascaded),
        Some(Origin::Inherited)
    );
    assert_eq!(
        origin(Stage::VocoderWav, Feed::Cascaded),
        Some(Origin::Inherited)
    );
    assert_eq!(origin(Stage::FlowMu, Feed::Cascaded), None);
    assert_eq!(outcomes["first"].verdict, Verdict::Pass);
}

#[test]
fn the_segment_that_differs_is_named_and_the_other_one_is_not() {
    let mut sides = sides();
    change(
        &mut sides.isolated,
        "second",
        &Key::segment(Stage::FlowMu, 1),
        |v| v[0] += 1.0,
    );
    let (outcomes, _) = sides.judge();
    let stage = outcomes["second"]
        .stages
        .iter()
        .find(|s| s.stage == Stage::FlowMu)
        .unwrap();
    let verdicts: Vec<_> = stage
        .isolated
        .as_ref()
        .unwrap()
        .values
        .iter()
        .map(|v| v.verdict)
        .collect();
    assert_eq!(verdicts, [Verdict::Pass, Verdict::Fail]);
}

#[test]
fn what_the_candidate_lacks_is_missing_and_not_parity() {
    let mut sides = sides();
    let key = Key::whole(Stage::PromptFbank);
    sides
        .cascaded
        .cases
        .get_mut("first")
        .unwrap()
        .tensors
        .remove(&key);
    let (outcomes, exit) = sides.judge();
    assert_eq!(
        verdict(&outcomes["first"], Stage::PromptFbank, Feed::Cascaded),
        Some(Verdict::Missing)
    );
    assert_eq!(
        (outcomes["first"].verdict, exit),
        (Verdict::Missing, Exit::Failed)
    );
}

#[test]
fn a_case_that_the_candidate_did_not_run_is_missing() {
    let mut sides = sides();
    for recording in [&mut sides.isolated, &mut sides.cascaded] {
        recording.cases.remove("second");
        recording.manifest.cases.remove("second");
    }
    let (outcomes, exit) = sides.judge();
    assert_eq!(
        (outcomes["second"].verdict, exit),
        (Verdict::Missing, Exit::Failed)
    );
}

#[test]
fn a_stage_that_the_golden_lacks_is_missing_unless_it_says_so() {
    let mut sides = sides();
    let key = Key::whole(Stage::PromptFbank);
    sides
        .golden
        .cases
        .get_mut("first")
        .unwrap()
        .tensors
        .remove(&key);
    assert_eq!(sides.judge().1, Exit::Failed);

    for recording in [&mut sides.golden, &mut sides.isolated, &mut sides.cascaded] {
        for case in recording.cases.values_mut() {
            case.case.case.keep = Keep::Tokens;
        }
    }
    for case in sides.golden.cases.values_mut() {
        let kept = case.case.case.clone();
        case.tensors.retain(|k, _| kept.keeps(k.stage));
    }
    let (outcomes, exit) = sides.judge();
    assert_eq!(exit, Exit::Parity);
    assert_eq!(
        verdict(&outcomes["first"], Stage::LlmTokens, Feed::Cascaded),
        Some(Verdict::Pass)
    );
    for left_out in [Stage::FlowMel, Stage::Speech] {
        assert_eq!(
            verdict(&outcomes["first"], left_out, Feed::Cascaded),
            None,
            "the report says it once for all such cases"
        );
    }
}

#[test]
fn a_golden_without_its_noise_cannot_pass_floats_that_differ() {
    let mut sides = sides();
    sides
        .golden
        .cases
        .values_mut()
        .for_each(|c| c.noise.clear());
    assert_eq!(
        sides.judge().1,
        Exit::Parity,
        "identity is below every floor"
    );
    let key = Key::segment(Stage::FlowMu, 0);
    change(&mut sides.isolated, "first", &key, |v| {
        v.iter_mut().for_each(|x| *x *= 1.0001)
    });
    let (outcomes, exit) = sides.judge();
    assert_eq!(
        verdict(&outcomes["first"], Stage::FlowMu, Feed::Isolated),
        Some(Verdict::Missing)
    );
    assert_eq!(exit, Exit::Failed);
}

#[test]
fn a_stage_without_a_limit_is_never_green() {
    let mut sides = sides();
    sides
        .tolerances
        .limits
        .retain(|l| !l.stages.iter().any(|s| s.starts_with("text")));
    let (outcomes, exit) = sides.judge();
    assert_eq!(
        verdict(&outcomes["first"], Stage::TextNormalized, Feed::Isolated),
        Some(Verdict::Missing)
    );
    assert_eq!(exit, Exit::Failed);
}

#[test]
fn a_limit_that_is_blind_to_gain_passes_no_stage_alone() {
    let mut sides = sides();
    sides
        .tolerances
        .limits
        .retain(|l| l.metric.definition().gain_blind);
    let (outcomes, _) = sides.judge();
    let logits = outcomes["first"]
        .stages
        .iter()
        .find(|s| s.stage == Stage::LlmLogits)
        .unwrap();
    let value = &logits.isolated.as_ref().unwrap().values[0];
    assert_eq!(value.verdict, Verdict::Missing);
    assert!(value.reason.as_ref().unwrap().contains("blind to gain"));
}

#[test]
fn other_weights_inputs_commits_or_versions_make_the_golden_stale() {
    let stale = |change: fn(&mut Sides)| {
        let mut sides = sides();
        change(&mut sides);
        let (outcomes, exit) = sides.judge();
        let first = &outcomes["first"];
        assert_eq!((first.verdict, exit), (Verdict::Stale, Exit::Golden));
        first.problem.clone().unwrap()
    };
    let weights = stale(|s| {
        s.cascaded
            .manifest
            .model
            .files
            .get_mut("llm.pt")
            .unwrap()
            .sha256 = sha256(b"others");
    });
    assert!(weights.contains("another llm.pt"), "{weights}");
    let seed = stale(|s| {
        s.golden
            .cases
            .values_mut()
            .for_each(|c| c.case.case.seed = 99);
    });
    assert!(seed.contains("another seed than the candidate"), "{seed}");
    let commit = stale(|s| s.golden.manifest.engine.commit = Some("0123".into()));
    assert!(commit.contains("commit 0123"), "{commit}");
    let torch = stale(|s| {
        s.golden
            .manifest
            .libraries
            .insert("torch".into(), "2.15.0+cpu".into());
    });
    assert!(torch.contains("torch 2.15.0+cpu, not 2.3.1"), "{torch}");
}

#[test]
fn a_stale_golden_that_is_judged_anyway_is_compared_and_never_in_parity() {
    let mut sides = sides();
    sides.golden.manifest.engine.commit = Some("0123".into());
    sides.anyway = true;
    let (outcomes, exit) = sides.judge();
    assert_eq!(exit, Exit::Golden);
    let first = &outcomes["first"];
    assert_eq!(first.verdict, Verdict::Pass);
    let problem = first.problem.as_deref().unwrap();
    assert!(problem.contains("commit 0123"), "{problem}");

    let key = Key::segment(Stage::FlowMel, 0);
    change(&mut sides.isolated, "first", &key, |v| v[0] += 1.0);
    let (outcomes, exit) = sides.judge();
    assert_eq!(exit, Exit::Failed);
    assert_eq!(
        verdict(&outcomes["first"], Stage::FlowMel, Feed::Isolated),
        Some(Verdict::Fail)
    );
}

#[test]
fn a_local_build_of_a_known_version_is_not_stale() {
    let mut sides = sides();
    sides
        .golden
        .manifest
        .libraries
        .insert("torch".into(), "2.3.1+cu121".into());
    assert_eq!(sides.judge().1, Exit::Parity);
}

#[test]
fn a_case_file_that_moved_on_makes_its_goldens_stale_or_missing() {
    let sides = sides();
    let mut expected: Vec<_> = sides
        .golden
        .cases
        .values()
        .map(|c| c.case.clone())
        .collect();
    assert_eq!(sides.judge_with(Some(&expected)).1, Exit::Parity);

    expected[0].prompt_wav_sha256 = sha256(b"another voice");
    let (outcomes, exit) = sides.judge_with(Some(&expected));
    assert_eq!(outcomes["first"].verdict, Verdict::Stale);
    assert_eq!(
        (outcomes["second"].verdict, exit),
        (Verdict::Pass, Exit::Golden)
    );

    let mut unknown = expected[1].clone();
    unknown.case.name = "third".into();
    let (outcomes, exit) = sides.judge_with(Some(&[unknown]));
    assert_eq!(
        (outcomes["third"].verdict, exit),
        (Verdict::Missing, Exit::Golden)
    );
}

#[test]
fn no_case_at_all_is_nothing_compared() {
    let mut sides = sides();
    for recording in [&mut sides.golden, &mut sides.isolated, &mut sides.cascaded] {
        recording.cases.clear();
        recording.manifest.cases.clear();
    }
    assert_eq!(sides.judge().1, Exit::NothingCompared);
}
