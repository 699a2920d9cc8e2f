//! The same texts through both engines, token lengths side by side.
//!
//! `cargo test -p parity --test integration length_parity -- --nocapture` shows the table.

use std::collections::{BTreeMap, BTreeSet};

use crate::model;
use native::engine::Engine;
use parity::case::{CaseFile, Keep, LmSet, ModeName};
use parity::judge::{Evaluation, Tolerances};
use parity::record::NativeRecorder;
use parity::recording::{CaseFiles, Reader, RecordedCase, Recording, RecordingSource};
use parity::report::{Length, LengthParity, build_report};
use parity::stage::Feed;

fn lengths(cases: &CaseFile) -> LengthParity {
    let golden_dir = model::workspace().join("golden");
    let golden = Reader::open(golden_dir.join("tiny-7")).expect("the golden");
    let tolerances = Tolerances::load(golden_dir.join("tolerances.toml")).expect("the limits");
    let mut recorder = NativeRecorder::load(Engine::builder(model::tiny()), "cpu", "f32")
        .expect("the model loads");
    recorder.match_torch_of(golden.manifest());

    let mut records = BTreeMap::new();
    for case in &cases.cases {
        let record = recorder.cascaded(case, cases).expect(&case.name);
        records.insert(case.name.clone(), record);
    }
    let mut manifest = recorder.manifest(Feed::Cascaded);
    manifest.cases = records
        .keys()
        .map(|name| (name.clone(), CaseFiles::default()))
        .collect();
    let candidate = Recording {
        manifest,
        cases: records,
    };
    let expected: Vec<_> = cases
        .cases
        .iter()
        .map(|case| RecordedCase::of(case, cases).expect("the prompts can be read"))
        .collect();
    let evaluation = Evaluation {
        golden: &golden,
        isolated: None,
        cascaded: Some(&candidate),
        expected: Some(&expected),
        tolerances: &tolerances,
        anyway: false,
    };
    let report = build_report(&evaluation, None, |_| String::new()).expect("records in memory");
    report.length_parity.expect("tokens were compared")
}

fn print(lengths: &LengthParity) {
    println!(
        "{:34} {:>13} {:>10} {:>4} {:>9} {:>9} {:>9} {:>5}",
        "case", "mode", "seed", "ids", "reference", "native", "bounds", "stop"
    );
    for s in &lengths.segments {
        let bounds = match (s.min_len, s.max_len) {
            (Some(min), Some(max)) => format!("{min}-{max}"),
            _ => "none".to_owned(),
        };
        println!(
            "{:34} {:>13} {:>10} {:>4} {:>9} {:>9} {bounds:>9} {:>5}{}",
            format!("{}[{}]", s.case, s.segment),
            s.mode.name(),
            s.seed,
            s.text_ids,
            format!("{} / {}", s.reference.raw, kept(&s.reference)),
            format!("{} / {}", s.candidate.raw, kept(&s.candidate)),
            s.reference.stop.map_or("max".to_owned(), |m| m.to_string()),
            if s.same_tokens { "" } else { "  tokens differ" },
        );
    }
    let (least, most) = lengths.range();
    println!(
        "{} of {} segments have the reference's length, {} its tokens; {least} to {most} tokens \
         (raw / without long silences)",
        lengths.same_length,
        lengths.segments.len(),
        lengths.same_tokens
    );
}

#[test]
fn native_speaks_as_long_as_the_reference() {
    let mut cases =
        CaseFile::load(model::workspace().join("golden/cases.toml")).expect("the cases");
    cases.cases.retain(|case| case.keep == Keep::Tokens);
    let lengths = lengths(&cases);
    print(&lengths);

    assert!(cases.cases.len() >= 40, "{}", cases.cases.len());
    assert!(lengths.segments.len() >= cases.cases.len());
    let differ: Vec<_> = lengths
        .segments
        .iter()
        .filter(|s| !s.same_length() || !s.same_tokens || s.reference.stop != s.candidate.stop)
        .collect();
    assert!(differ.is_empty(), "{differ:#?}");
    let (least, most) = lengths.range();
    assert!(least <= 3 && most >= 380, "{least} to {most}");
}

#[test]
fn the_cases_cover_every_mode_and_both_sets_of_weights() {
    let cases = CaseFile::load(model::workspace().join("golden/cases.toml")).expect("the cases");
    let short = || cases.cases.iter().filter(|c| c.keep == Keep::Tokens);
    let count =
        |wanted: &dyn Fn(&parity::case::Case) -> bool| short().filter(|c| wanted(c)).count();
    for mode in [
        ModeName::ZeroShot,
        ModeName::CrossLingual,
        ModeName::Instruct,
    ] {
        assert!(count(&|c| c.mode_name() == mode) >= 6, "{mode:?}");
        assert!(count(&|c| c.mode_name() == mode && c.speaker.is_some()) >= 1);
    }
    assert!(count(&|c| c.in_pieces()) >= 6);
    assert!(count(&|c| c.lm_weights == Some(LmSet::Rl)) >= 4);
    let seeds: BTreeSet<u64> = short().map(|c| c.seed).collect();
    assert!(seeds.len() >= 25, "{seeds:?}");
}

fn kept(length: &Length) -> String {
    length
        .kept
        .map_or_else(|| "-".into(), |kept| kept.to_string())
}
