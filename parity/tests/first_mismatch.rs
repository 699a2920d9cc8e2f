//! What a report says where sampled tokens part: how likely both were, and how close the draw was.

use crate::model;
use native::engine::Engine;
use parity::array::Array;
use parity::case::CaseFile;
use parity::diff::tokens::{Mismatch, Whose};
use parity::judge::{Compared, Detail, diff_value};
use parity::record::NativeRecorder;
use parity::recording::{CaseRecord, Reader, RecordingSource};
use parity::stage::{Feed, Key, Stage};

const CASE: &str = "tokens-zero-shot-question";

fn tokens(record: &CaseRecord) -> Vec<i64> {
    let key = Key::segment(Stage::LlmTokens, 0);
    record.tensors[&key].as_i64().unwrap().to_vec()
}

/// The native engine against a golden that says it had sampled `change`d tokens.
fn mismatch(change: impl FnOnce(&mut Vec<i64>)) -> Mismatch {
    let golden_dir = model::workspace().join("golden");
    let golden = Reader::open(golden_dir.join("tiny-7")).expect("the golden");
    let cases = CaseFile::load(golden_dir.join("cases.toml")).expect("the cases");
    let cases = cases.select(&[CASE.to_owned()]).expect("the case");
    let mut recorder = NativeRecorder::load(Engine::builder(model::tiny()), "cpu", "f32")
        .expect("the model loads");
    recorder.match_torch_of(golden.manifest());

    let mut reference = golden.case(CASE).expect("the golden's case").into_owned();
    let mut sampled = tokens(&reference);
    change(&mut sampled);
    let key = Key::segment(Stage::LlmTokens, 0);
    reference.tensors.insert(key.clone(), Array::ids(sampled));
    let candidate = recorder
        .isolated(&cases.cases[0], &cases, &reference)
        .expect("the engine runs");
    let Compared::Both(diff) = diff_value(&reference, &candidate, &key, Feed::Isolated) else {
        panic!("both have tokens");
    };
    let Some(Detail::Tokens { lists }) = diff.detail else {
        panic!("tokens are compared as tokens");
    };
    lists[0].first_mismatch.clone().expect("they differ")
}

#[test]
fn another_token_is_told_with_its_ranks_its_margin_and_the_draw() {
    let found = mismatch(|tokens| tokens[4] = 6000);
    assert_eq!((found.position, found.reference), (4, Some(6000)));
    let choice = found
        .choice
        .expect("the engine keeps the logits of this position");
    assert_eq!(choice.logits, Whose::Candidate, "the golden keeps none");
    assert!(
        choice.candidate_rank < 25,
        "what was drawn is likely: {choice:?}"
    );
    assert!(choice.reference_rank > choice.candidate_rank, "{choice:?}");
    assert!(choice.margin < 0.0, "{choice:?}");
    let draw = found.draw.expect("the engine says how it drew");
    if draw.vocabulary_lead.is_none() {
        assert_eq!(Some(draw.from_nucleus), found.candidate);
    }
    assert!((1..=25).contains(&draw.nucleus_len), "{draw:?}");
    // Float noise of the logits is 1e-5 at most: a draw as clear as this one is no near-tie.
    assert!(draw.margin() > 1e-4, "{draw:?}");
}

#[test]
fn where_one_side_ends_the_mark_that_ended_it_is_the_other_choice() {
    let found = mismatch(|tokens| tokens.push(6000));
    assert_eq!((found.reference, found.candidate), (Some(6000), None));
    let choice = found.choice.expect("the mark has a logit like any token");
    assert!(
        choice.candidate_rank < 25 && choice.margin < 0.0,
        "{choice:?}"
    );
    assert!(found.draw.is_some());
}
