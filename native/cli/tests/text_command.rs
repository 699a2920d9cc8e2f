//! `native text` as the shell sees it, with a vocabulary of single bytes and no rule files.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A model directory whose tokenizer gives every byte its own value as id.
fn model() -> TempDir {
    let dir = TempDir::new().unwrap();
    let qwen = dir.path().join("CosyVoice-BlankEN");
    std::fs::create_dir(&qwen).unwrap();
    let write = |path: &Path, text: &str| std::fs::write(path, text).unwrap();
    write(
        &dir.path().join("cosyvoice3.yaml"),
        include_str!("../../tests/data/cosyvoice3.yaml"),
    );
    write(
        &qwen.join("config.json"),
        include_str!("../../tests/data/qwen2.json"),
    );
    // GPT-2's alphabet: bytes that print stand for themselves, the others from U+0100 on.
    let prints = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let mut others = 0x100..;
    let letter = |byte: u8| match prints(byte) {
        true => char::from(byte),
        false => others.next().and_then(char::from_u32).unwrap(),
    };
    let letters = (0..=255).map(letter).enumerate();
    let vocabulary: serde_json::Map<_, _> = letters
        .map(|(byte, letter)| (letter.to_string(), json!(byte)))
        .collect();
    write(
        &qwen.join("vocab.json"),
        &Value::Object(vocabulary).to_string(),
    );
    write(&qwen.join("merges.txt"), "#version: 0.2\n");
    dir
}

fn command(model: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_native"));
    command.args(["text", "--normalizer", "none", "--model-dir"]);
    command.arg(model.path()).args(arguments);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn run(arguments: &[&str], input: &[u8]) -> Output {
    let model = model();
    let mut child = command(&model, arguments).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

fn ids(text: &str) -> Vec<u32> {
    text.bytes().map(u32::from).collect()
}

#[test]
fn the_normalised_text_the_segments_and_their_ids_are_shown() {
    let output = run(&["Hi 5."], b"");
    assert!(output.status.success());
    let shown = String::from_utf8(output.stdout).unwrap();
    let ids: Vec<_> = ids("Hi five.").iter().map(u32::to_string).collect();
    let expected = format!(
        "normalized  Hi five.\nsegment 1   Hi five.\n  8 ids    {}\n",
        ids.join(" ")
    );
    assert_eq!(shown, expected);
}

#[test]
fn json_is_one_object_a_line_and_a_text_comes_from_standard_input_too() {
    for (arguments, input) in [(&["--json", "Hi 5"][..], &b""[..]), (&["--json"], b"Hi 5")] {
        let output = run(arguments, input);
        assert_eq!(output.stdout.iter().filter(|&&b| b == b'\n').count(), 1);
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        let expected = json!({
            "normalized": "Hi five", "segments": ["Hi five."], "ids": [ids("Hi five.")],
            "warnings": [],
        });
        assert_eq!(answer, expected);
    }
}

#[test]
fn special_tokens_have_ids_of_their_own_and_switch_the_frontend_off() {
    let output = run(&["--json", "Be 1.<|endofprompt|>[breath] 2"], b"");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["normalized"], "Be 1.<|endofprompt|>[breath] 2");
    // The vocabulary has 256; these are the fourth and the fifth special token after it.
    let expected = [ids("Be 1."), vec![256 + 3, 256 + 4], ids(" 2")].concat();
    assert_eq!(answer["ids"], json!([expected]));
}

#[test]
fn lines_are_answered_one_by_one_and_a_bad_one_does_not_end_it() {
    let input = b"\"a 1\"\nnot JSON\n\"\xff\"\n\"   \"\n\"b\\u0000\"\n17";
    let output = run(&["--lines"], input);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("3 of 6 lines"), "{said}");
    let answers: Vec<Value> = output
        .stdout
        .split(|&b| b == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(answers.len(), 6);
    assert_eq!(answers[0]["segments"], json!(["a one."]));
    for at in [1, 2, 5] {
        assert!(
            answers[at]["error"].as_str().unwrap().contains("JSON"),
            "{}",
            answers[at]
        );
    }
    assert!(
        answers[3]["warnings"][0]
            .as_str()
            .unwrap()
            .contains("IndexError")
    );
    assert_eq!(answers[4]["ids"], json!([ids("b\0.")]));
}

#[test]
fn a_line_is_answered_before_the_next_is_asked() {
    let model = model();
    let mut child: Child = command(&model, &["--lines"]).spawn().unwrap();
    let mut questions = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap());
    for word in ["one", "two", "three"] {
        writeln!(questions, "\"{word}\"").unwrap();
        let mut answer = String::new();
        answers.read_line(&mut answer).unwrap();
        assert!(answer.contains(word), "{answer}");
    }
    drop(questions);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let model = model();
    let mut child = command(&model, &["--lines"]).spawn().unwrap();
    drop(child.stdout.take());
    let mut questions = child.stdin.take().unwrap();
    // The command ends before it has read everything, which is its reader's doing.
    while questions.write_all(b"\"a word\"\n").is_ok() {}
    let mut said = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(said, "");
}

#[test]
fn strict_makes_an_error_of_what_is_else_a_warning() {
    let lenient = run(&["  "], b"");
    assert!(lenient.status.success());
    assert!(
        String::from_utf8(lenient.stderr)
            .unwrap()
            .contains("IndexError")
    );
    let strict = run(&["--strict", "  "], b"");
    assert_eq!(strict.status.code(), Some(1));
    assert!(
        String::from_utf8(strict.stderr)
            .unwrap()
            .contains("IndexError")
    );
}

#[test]
fn options_change_what_is_done_with_a_text() {
    let segments = |arguments: &[&str]| {
        let output = run(&[arguments, &["--json"]].concat(), b"");
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        answer["segments"].clone()
    };
    assert_eq!(
        segments(&["--english-prefix", "Hi 5"]),
        json!(["<|en|>Hi five."])
    );
    assert_eq!(segments(&["--no-split", "Hi 5"]), json!(["Hi five"]));
    assert_eq!(segments(&["--verbatim", " Hi 5 "]), json!([" Hi 5 "]));
}
