//! A program that is run once a case: `parity record --engine command`.

use std::path::Path;
use std::process::{Command, Output};

use super::super::model;

fn record(at: &Path, command: &str, cases: &[&str]) -> Output {
    let mut parity = Command::new(env!("CARGO_BIN_EXE_parity"));
    parity.current_dir(model::workspace());
    parity.args(["record", "--engine", "command", "--engine-name", "shell"]);
    parity.args(["--command", command, "--timeout", "20", "--force"]);
    parity.args(["--cases", "golden/cases.toml", "--model-dir"]);
    parity.arg(model::tiny());
    parity.arg("--out").arg(at.join("out"));
    cases.iter().for_each(|case| {
        parity.args(["--case", case]);
    });
    parity.output().unwrap()
}

fn diff(at: &Path, case: &str) -> Output {
    let mut parity = Command::new(env!("CARGO_BIN_EXE_parity"));
    parity.current_dir(model::workspace());
    parity.args(["diff", "golden/tiny-7"]).arg(at.join("out"));
    parity.args(["--case", case]).output().unwrap()
}

fn text(output: &Output) -> String {
    let all = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8(all).unwrap()
}

/// A program that says what the golden has: the best that any program could do.
const PERFECT: &str =
    "cp golden/tiny-7/{case}/audio.wav {out}; echo loading; echo '{\"samples\": 1'";

#[test]
fn the_sound_of_any_program_is_recorded_and_judged() {
    let dir = tempfile::tempdir().unwrap();
    let output = record(dir.path(), PERFECT, &["english-short", "chinese-short"]);
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("2 case(s) recorded, 0 failed"), "{said}");

    // What is not told is not green, and what is told is judged.
    let output = diff(dir.path(), "english-short");
    let said = text(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("llm.tokens"), "{said}");

    let loud = "sox -v 0.5 x y 2>/dev/null; cp golden/tiny-7/chinese-short/audio.wav {out}";
    record(dir.path(), loud, &["english-short"]);
    let said = text(&diff(dir.path(), "english-short"));
    assert!(said.contains("speech"), "{said}");
}

#[test]
fn a_program_that_fails_is_named_and_the_others_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let command = "test {case} = english-short || { echo no such voice >&2; exit 3; }; \
                   cp golden/tiny-7/{case}/audio.wav {out}; echo '{\"tokens\": [1, 2]}'";
    let output = record(dir.path(), command, &["english-short", "chinese-short"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(4), "{said}");
    for part in [
        "chinese-short: the command failed",
        "no such voice",
        "1 failed",
    ] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    let said = text(&diff(dir.path(), "english-short"));
    assert!(said.contains("2 tokens"), "{said}");
}

#[test]
fn a_case_that_the_command_is_not_told_enough_of_is_left_out_and_said() {
    let dir = tempfile::tempdir().unwrap();
    let command = "cp golden/tiny-7/english-short/audio.wav {out}; : {text}";
    let cases = ["english-short", "cross-lingual", "instruct"];
    let said = text(&record(dir.path(), command, &cases));
    for part in [
        "left out, since the command has no {mode}: cross-lingual",
        "left out, since the command has no {instruct}: instruct",
        "1 case(s) recorded, 0 failed",
    ] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    let output = record(dir.path(), command, &["instruct"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("no case can be said"), "{said}");
    let all = "cp golden/tiny-7/{case}/audio.wav {out}";
    let said = text(&record(dir.path(), all, &cases));
    assert!(said.contains("3 case(s) recorded"), "{said}");
}

#[test]
fn a_program_that_cannot_be_recorded_says_why() {
    let dir = tempfile::tempdir().unwrap();
    for (command, why) in [
        ("true", "has no {out}"),
        ("prog {voice} {out}", "has {voice}"),
        ("true {out}", "there is no such file"),
        ("printf RIFF > {out}", "speech.wav"),
        ("no-such-program-here {out}", "no case could be recorded"),
        ("cp golden/prompts/fox_22k.wav {out}", "22050 Hz"),
    ] {
        let output = record(dir.path(), command, &["english-short"]);
        let said = text(&output);
        assert_eq!(output.status.code(), Some(1), "{command}: {said}");
        assert!(said.contains(why), "{why:?} is not in {said}");
    }
    assert!(!dir.path().join("out").exists());
}
