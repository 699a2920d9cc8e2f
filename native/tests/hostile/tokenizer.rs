//! The text tokenizer's files: vocabulary, merges, configuration, and all of them in one.

use std::fs;
use std::path::Path;

use native::text::{FrontendOptions, NormalizerKind, TextFrontend};

use super::{Row, assert_refused};

const WORDS: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// The vocabulary is looked at and no rule files.
pub fn without_normaliser() -> FrontendOptions {
    FrontendOptions {
        normalizer: NormalizerKind::None,
        ..FrontendOptions::default()
    }
}

fn load(path: &Path) -> Result<(), String> {
    let dir = path.parent().unwrap();
    for (name, content) in [
        ("vocab.json", r#"{"a": 0, "b": 1, "ab": 2}"#),
        ("merges.txt", "#version: 0.2\na b\n"),
    ] {
        let path = dir.join(name);
        if !path.exists() {
            fs::write(path, content).unwrap();
        }
    }
    TextFrontend::load(dir, None, without_normaliser())
        .map(|_| ())
        .map_err(|error| error.to_string())
}

fn text(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

/// A `tokenizer.json` with Qwen2's steps.
fn whole() -> serde_json::Value {
    serde_json::json!({
        "version": "1.0",
        "added_tokens": [],
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": WORDS}, "behavior": "Isolated", "invert": false},
            {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}
        ]},
        "post_processor": null,
        "decoder": null,
        "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}
    })
}

/// That file with another value at a place.
fn with(pointer: &str, value: serde_json::Value) -> Vec<u8> {
    let mut whole = whole();
    *whole.pointer_mut(pointer).unwrap() = value;
    whole.to_string().into_bytes()
}

#[test]
fn the_files_that_the_others_are_made_from_are_read() {
    let dir = tempfile::tempdir().unwrap();
    load(&dir.path().join("vocab.json")).unwrap();
    fs::write(dir.path().join("tokenizer.json"), whole().to_string()).unwrap();
    load(&dir.path().join("tokenizer.json")).unwrap();
}

#[test]
fn hostile_vocabularies_are_refused() {
    let rows: Vec<Row> = vec![
        ("no JSON", text("{"), "not a readable vocabulary"),
        ("a list", text("[1, 2]"), "not a readable vocabulary"),
        (
            "a negative id",
            text(r#"{"a": -1}"#),
            "not a readable vocabulary",
        ),
        (
            "an id beyond 32 bits",
            text(r#"{"a": 4294967296}"#),
            "not a readable vocabulary",
        ),
        (
            "an id that is text",
            text(r#"{"a": "0"}"#),
            "not a readable vocabulary",
        ),
        (
            "bytes that are not UTF-8",
            vec![b'{', b'"', 0xff, b'"'],
            "not a readable vocabulary",
        ),
        (
            "merges of what is not in it",
            text(r#"{"a": 0}"#),
            "not a readable vocabulary",
        ),
        (
            "100,000 brackets",
            text(&"[".repeat(100_000)),
            "not a readable vocabulary",
        ),
        (
            "two tokens of one id",
            text(r#"{"a": 0, "b": 0, "ab": 2}"#),
            "one id",
        ),
        (
            "ids with a gap",
            text(r#"{"a": 0, "b": 1, "ab": 4000000000}"#),
            "ids",
        ),
    ];
    assert_refused("vocab.json", &rows, load);
}

#[test]
fn hostile_merges_are_refused() {
    let rows: Vec<Row> = vec![
        ("three parts", text("#version: 0.2\na b a\n"), "merges.txt"),
        ("one part", text("#version: 0.2\nab\n"), "merges.txt"),
        (
            "a token that is not there",
            text("#version: 0.2\na z\n"),
            "merges.txt",
        ),
        (
            "a merge that is not there",
            text("#version: 0.2\nb a\n"),
            "merges.txt",
        ),
        (
            "bytes that are not UTF-8",
            vec![b'a', b' ', 0xff, b'\n'],
            "merges.txt",
        ),
    ];
    assert_refused("merges.txt", &rows, load);
}

#[test]
fn hostile_configurations_are_refused() {
    let rows: Vec<Row> = vec![
        (
            "no JSON",
            text("{"),
            "not a readable tokenizer configuration",
        ),
        (
            "a list of tokens",
            text(r#"{"added_tokens_decoder": []}"#),
            "not a readable tokenizer configuration",
        ),
        (
            "an id that is no number",
            text(
                r#"{"added_tokens_decoder": {"x": {"content": "a", "lstrip": false, "normalized": false, "rstrip": false, "single_word": false, "special": true}}}"#,
            ),
            "the id `x`",
        ),
        (
            "a negative id",
            text(
                r#"{"added_tokens_decoder": {"-1": {"content": "a", "lstrip": false, "normalized": false, "rstrip": false, "single_word": false, "special": true}}}"#,
            ),
            "the id `-1`",
        ),
        (
            "a token without its text",
            text(r#"{"added_tokens_decoder": {"1": {"special": true}}}"#),
            "not a readable tokenizer configuration",
        ),
    ];
    assert_refused("tokenizer_config.json", &rows, load);
}

#[test]
fn hostile_whole_tokenizers_are_refused() {
    use serde_json::json;
    let rows: Vec<Row> = vec![
        ("an empty object", text("{}"), "not a readable tokenizer"),
        ("no JSON", text("{"), "not a readable tokenizer"),
        ("a list", text("[]"), "not a readable tokenizer"),
        (
            "100,000 brackets",
            text(&"[".repeat(100_000)),
            "not a readable tokenizer",
        ),
        (
            "another model",
            with("/model/type", json!("Unigram")),
            "its `model` is another",
        ),
        (
            "another normaliser",
            with(
                "/normalizer",
                json!({"type": "Precompiled", "precompiled_charsmap": "AAAA"}),
            ),
            "its `normalizer` is another",
        ),
        (
            "no normaliser",
            with("/normalizer", json!(null)),
            "its `normalizer` is another",
        ),
        (
            "a pattern that takes forever",
            with(
                "/pre_tokenizer/pretokenizers/0/pattern/Regex",
                json!("(a+)+$"),
            ),
            "its `pre_tokenizer` is another",
        ),
        (
            "another way to split",
            with("/pre_tokenizer", json!({"type": "Whitespace"})),
            "its `pre_tokenizer` is another",
        ),
        (
            "a template",
            with(
                "/post_processor",
                json!({"type": "TemplateProcessing", "single": [], "pair": [], "special_tokens": {}}),
            ),
            "its `post_processor` is another",
        ),
        (
            "a merge of what is not there",
            with("/model/merges", json!(["a z"])),
            "not a readable tokenizer",
        ),
        (
            "a vocabulary that is a list",
            with("/model/vocab", json!([])),
            "not a readable tokenizer",
        ),
        (
            "a negative id",
            with("/model/vocab", json!({"a": -1})),
            "not a readable tokenizer",
        ),
        (
            "a number for a version",
            with("/version", json!("9.9")),
            "not a readable tokenizer",
        ),
        (
            "two tokens of one id",
            with("/model/vocab", json!({"a": 0, "b": 0, "ab": 2})),
            "one id",
        ),
    ];
    assert_refused("tokenizer.json", &rows, load);
}
