//! The text frontend against answers recorded from the Python reference.
//!
//! They live here and not beside the frontend because the vocabulary and the rule files are too
//! large for the repository, and the fixture has both.

use std::path::Path;
use std::sync::LazyLock;

use crate::model;
use native::Error;
use native::text::{FrontendOptions, Normalized, NormalizerKind, TextFrontend};

fn load(options: FrontendOptions) -> TextFrontend {
    let model = model::tiny();
    let (vocabulary, rules) = (model.join("CosyVoice-BlankEN"), model.join("text_rules"));
    TextFrontend::load(&vocabulary, Some(&rules), options).unwrap()
}

/// The default frontend, and the one that takes no text the reference fails on.
fn frontends() -> &'static (TextFrontend, TextFrontend) {
    static LOADED: LazyLock<(TextFrontend, TextFrontend)> = LazyLock::new(|| {
        let strict = FrontendOptions {
            strict: true,
            ..Default::default()
        };
        (load(FrontendOptions::default()), load(strict))
    });
    &LOADED
}

/// Either `answer` or `error` is there.
#[derive(serde::Deserialize)]
struct Recorded {
    normalizer: String,
    text: String,
    error: Option<String>,
    answer: Option<Answer>,
}

#[derive(serde::Deserialize)]
struct Answer {
    normalized: String,
    segments: Vec<String>,
    ids: Vec<Vec<u32>>,
    text_ids: Vec<u32>,
}

fn recorded(normalizer: &str) -> Vec<Recorded> {
    let lines: Vec<Recorded> = include_str!("data/text/frontend.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    lines
        .into_iter()
        .filter(|line| line.normalizer == normalizer)
        .collect()
}

fn agrees_with_the_recording(name: &str, normalizer: NormalizerKind) {
    let lenient = FrontendOptions {
        normalizer,
        ..Default::default()
    };
    let strict = FrontendOptions {
        strict: true,
        ..lenient.clone()
    };
    let (lenient, strict) = (load(lenient), load(strict));
    let lines = recorded(name);
    assert!(lines.len() > 50, "{} lines of {name}", lines.len());
    for Recorded {
        text,
        error,
        answer,
        ..
    } in lines
    {
        let whole = lenient.normalize(&text, false).unwrap();
        let split = lenient.normalize(&text, true).unwrap();
        assert_eq!(
            whole.segments,
            std::slice::from_ref(&whole.text),
            "{text:?}"
        );
        assert_eq!(
            (&whole.text, &whole.warnings),
            (&split.text, &split.warnings),
            "{text:?}"
        );
        let Some(answer) = answer else {
            assert!(
                !split.warnings.is_empty(),
                "{text:?}: the reference raises {error:?}"
            );
            let refused = strict.normalize(&text, true);
            assert!(
                matches!(refused, Err(Error::Input(_))),
                "{text:?}: {refused:?}"
            );
            continue;
        };
        assert_eq!(strict.normalize(&text, true).unwrap(), split);
        assert_eq!(split.text, answer.normalized, "{text:?}");
        assert_eq!(split.segments, answer.segments, "{text:?}");
        let ids: Vec<_> = split
            .segments
            .iter()
            .map(|s| lenient.ids(s).unwrap())
            .collect();
        assert_eq!(ids, answer.ids, "{text:?}");
        assert_eq!(lenient.ids(&text).unwrap(), answer.text_ids, "{text:?}");
    }
}

#[test]
fn segments_and_ids_are_those_of_the_reference() {
    agrees_with_the_recording("wetext 0.1.8", NormalizerKind::Wetext018);
}

#[test]
fn segments_and_ids_with_the_older_wetext_are_those_of_the_reference() {
    agrees_with_the_recording("wetext 0.0.4", NormalizerKind::Wetext004);
}

#[test]
fn segments_and_ids_without_wetext_are_those_of_the_reference() {
    agrees_with_the_recording("none", NormalizerKind::None);
}

#[test]
fn a_text_wetext_cannot_tag_is_kept_and_split_with_a_warning_that_says_why() {
    let (frontend, _) = frontends();
    let found = frontend.normalize("#1 is  here", true).unwrap();
    assert_eq!(
        (found.text.as_str(), found.segments.len()),
        ("#one is  here", 1)
    );
    assert_eq!(found.warnings.len(), 1);
    assert!(
        found.warnings[0].contains("AssertionError"),
        "{:?}",
        found.warnings
    );
}

#[test]
fn text_between_special_brackets_is_left_alone_and_the_empty_text_too() {
    let (_, frontend) = frontends();
    for text in [
        "",
        "<|en|>  I have 5.  ",
        "|> 5 <|",
        "You speak.<|endofprompt|>1. 2. 3.",
    ] {
        assert_eq!(
            frontend.normalize(text, true).unwrap(),
            Normalized::verbatim(text)
        );
    }
}

#[test]
fn the_english_prefix_is_put_before_every_english_segment_even_of_punctuation() {
    let options = FrontendOptions {
        english_prefix: true,
        ..Default::default()
    };
    let frontend = load(options);
    let segments = |text| frontend.normalize(text, true).unwrap().segments;
    assert_eq!(segments("I have two dogs."), ["<|en|>I have two dogs."]);
    assert_eq!(segments("(-)!"), ["<|en|>(-)!"]);
    assert_eq!(segments("你好。"), ["你好。"]);
    assert_eq!(frontend.normalize("Hi.", false).unwrap().segments, ["Hi."]);
    // It is no special token.
    assert_eq!(frontend.ids("<|en|>").unwrap(), [27, 91, 268, 91, 29]);
}

#[test]
fn special_tokens_have_the_ids_of_the_model() {
    let (_, frontend) = frontends();
    for (token, id) in [
        ("<|endoftext|>", 151_643),
        ("<|endofprompt|>", 151_646),
        ("[breath]", 151_647),
        ("<|endofsystem|>", 151_663),
        ("[ǜ]", 151_923),
    ] {
        assert_eq!(frontend.ids(token).unwrap(), [id], "{token}");
        assert_eq!(frontend.token(id).as_deref(), Some(token));
    }
}

#[test]
fn hostile_texts_are_answered() {
    let (frontend, _) = frontends();
    for text in [
        "\0".repeat(5000),
        format!("1{}好", "\0".repeat(5000)),
        "\u{301}".repeat(5000),
        "。".repeat(5000) + "好1",
        "\"\\".repeat(500),
        "9".repeat(5000),
        " ".repeat(5000),
        format!("a{}b", " ".repeat(5000)),
        "<|".repeat(3000),
    ] {
        let found = frontend.normalize(&text, true).unwrap();
        for segment in &found.segments {
            frontend.ids(segment).unwrap();
        }
    }
}

#[test]
fn ten_thousand_characters_of_chinese_keep_every_character() {
    let (_, frontend) = frontends();
    let text = "今天的天气很好，我们一起去公园散步。".repeat(600) + "共3人。";
    let found = frontend.normalize(&text, true).unwrap();
    assert_eq!(found.text, text.replace('3', "三"));
    assert_eq!(found.segments.concat(), found.text);
    assert!(
        found
            .segments
            .iter()
            .all(|segment| segment.chars().count() <= 100)
    );
}

#[test]
fn a_text_too_long_for_the_tokenizer_is_an_error() {
    let (_, frontend) = frontends();
    let refused = frontend.ids(&" ".repeat(20 << 20)).unwrap_err();
    assert!(refused.to_string().contains("too long"), "{refused}");
}

#[test]
fn a_damaged_or_missing_rule_file_is_named() {
    let model = model::tiny();
    let (vocabulary, rules) = (model.join("CosyVoice-BlankEN"), model.join("text_rules"));
    let reason = |dir: Option<&Path>| {
        TextFrontend::load(&vocabulary, dir, FrontendOptions::default())
            .err()
            .unwrap()
            .to_string()
    };
    assert!(reason(None).contains("rule files"));
    let copy = tempfile::tempdir().unwrap();
    assert!(reason(Some(copy.path())).contains("tagger.fst"));
    for file in [
        "en/tn/tagger.fst",
        "en/tn/verbalizer.fst",
        "zh/tn/tagger.fst",
        "zh/tn/verbalizer.fst",
    ] {
        let to = copy.path().join(file);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(rules.join(file), to).unwrap();
    }
    let damaged = copy.path().join("zh/tn/verbalizer.fst");
    let whole = std::fs::read(&damaged).unwrap();
    std::fs::write(&damaged, &whole[..whole.len() / 2]).unwrap();
    let message = reason(Some(copy.path()));
    assert!(
        message.contains("verbalizer.fst: not a usable rule file"),
        "{message}"
    );
}

#[test]
fn a_missing_or_damaged_vocabulary_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let options = || FrontendOptions {
        normalizer: NormalizerKind::None,
        ..Default::default()
    };
    let reason = || {
        TextFrontend::load(dir.path(), None, options())
            .err()
            .unwrap()
            .to_string()
    };
    assert!(reason().contains("vocab.json"));
    std::fs::write(dir.path().join("vocab.json"), "{").unwrap();
    std::fs::write(dir.path().join("merges.txt"), "a b\n").unwrap();
    assert!(reason().contains("vocab.json"));
    std::fs::write(dir.path().join("tokenizer.json"), "{}").unwrap();
    assert!(reason().contains("tokenizer.json"));
}
