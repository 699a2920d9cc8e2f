//! Texts and files that nobody should have to read: an answer or a clear error, and in time.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::model;
use native::Error;
use native::text::{FrontendOptions, TextFrontend};

/// Far beyond what any of these takes on a machine that does other work too.
const IN_TIME: Duration = Duration::from_secs(240);

fn vocabulary() -> PathBuf {
    model::tiny().join("CosyVoice-BlankEN")
}

fn rules() -> PathBuf {
    model::tiny().join("text_rules")
}

fn frontend() -> TextFrontend {
    TextFrontend::load(&vocabulary(), Some(&rules()), FrontendOptions::default()).unwrap()
}

fn answer(frontend: &TextFrontend, name: &str, text: &str) -> Vec<String> {
    let start = Instant::now();
    let found = frontend.normalize(text, true).unwrap();
    for segment in &found.segments {
        frontend.ids(segment).unwrap();
    }
    let spent = start.elapsed();
    println!(
        "{name}: {} bytes in {spent:.2?}, {:?}",
        text.len(),
        found.warnings
    );
    assert!(spent < IN_TIME, "{name} took {spent:?}");
    found.segments
}

/// `unit` until it fills `bytes`.
fn filled(unit: &str, bytes: usize) -> String {
    unit.repeat(bytes / unit.len())
}

const MEGABYTE: usize = 1 << 20;

#[test]
fn a_megabyte_of_sentences_is_spoken() {
    let frontend = frontend();
    let english = filled("It was 5 o'clock, and the 3 dogs slept. ", MEGABYTE);
    let segments = answer(&frontend, "English", &english);
    assert!(segments.len() > 1000);
    assert_eq!(
        segments.concat().matches("five o'clock").count(),
        english.matches('5').count()
    );
    let chinese = filled("今天是2024年3月5日，我们花了12.5元。", MEGABYTE);
    let segments = answer(&frontend, "Chinese", &chinese);
    assert!(segments.len() > 1000);
    let dates = chinese.matches("2024").count();
    assert_eq!(
        segments.concat().matches("二零二四年三月五日").count(),
        dates
    );
}

#[test]
fn a_megabyte_without_sense_is_answered() {
    let frontend = frontend();
    for (name, unit) in [
        ("one word", "a"),
        ("digits", "7"),
        ("NUL", "\0"),
        ("combining marks", "\u{301}"),
        ("blanks", " "),
        ("full stops", "."),
        ("quotes", "\""),
        ("backslashes", "\\"),
        ("emoji", "🎉"),
        ("marks and quotes", "。”"),
        ("halves of markup", "<|"),
        ("letters and combining marks", "e\u{301}\u{302} "),
    ] {
        answer(&frontend, name, &filled(unit, MEGABYTE));
        // With a Chinese character and a digit, so that the Chinese rules run over it too.
        answer(
            &frontend,
            name,
            &("好1".to_owned() + &filled(unit, MEGABYTE / 16)),
        );
    }
}

#[test]
fn a_hundred_thousand_characters_of_chinese_without_a_mark_are_one_segment() {
    let text = "好".repeat(100_000);
    let segments = answer(&frontend(), "no mark", &text);
    assert_eq!(segments, [text + "。"]);
}

#[test]
fn nul_bytes_and_lone_combining_marks_are_kept_where_the_reference_keeps_them() {
    let frontend = frontend();
    let segments = |text: &str| frontend.normalize(text, true).unwrap().segments;
    // Recorded: golden/text/texts/readable.jsonl has both.
    assert_eq!(
        segments("好\u{301}\u{301}\u{301}"),
        ["好\u{301}\u{301}\u{301}。"]
    );
    assert!(frontend.ids("\0").unwrap().len() == 1);
}

/// A copy of the rule files, one of which may be damaged.
struct Rules(tempfile::TempDir);

const FILES: [&str; 4] = [
    "en/tn/tagger.fst",
    "en/tn/verbalizer.fst",
    "zh/tn/tagger.fst",
    "zh/tn/verbalizer.fst",
];

impl Rules {
    fn new() -> Self {
        let copy = Self(tempfile::tempdir().unwrap());
        for file in FILES {
            let to = copy.0.path().join(file);
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(rules().join(file), to).unwrap();
        }
        copy
    }

    fn load(&self) -> native::Result<TextFrontend> {
        TextFrontend::load(
            &vocabulary(),
            Some(self.0.path()),
            FrontendOptions::default(),
        )
    }

    fn with(&self, file: &str, damage: impl FnOnce(&mut Vec<u8>)) -> native::Result<TextFrontend> {
        let path = self.0.path().join(file);
        let whole = std::fs::read(&path).unwrap();
        let mut bytes = whole.clone();
        damage(&mut bytes);
        std::fs::write(&path, bytes).unwrap();
        let loaded = self.load();
        std::fs::write(&path, whole).unwrap();
        loaded
    }
}

fn refusal(loaded: native::Result<TextFrontend>) -> String {
    loaded.expect_err("a damaged file was taken").to_string()
}

#[test]
fn rule_files_cut_short_are_refused_by_name() {
    let rules = Rules::new();
    for file in FILES {
        for share in [0, 1, 50, 99] {
            let said = refusal(rules.with(file, |bytes| bytes.truncate(bytes.len() * share / 100)));
            assert!(
                said.contains(file) && said.contains("not a usable rule file"),
                "{said}"
            );
        }
    }
}

#[test]
fn rule_files_with_a_flipped_bit_are_refused_or_answer() {
    let rules = Rules::new();
    let texts = [
        "It costs $5.20 on May 3rd.",
        "2024年3月5日花了12.5元。",
        "#1 \"a\"",
        "1\0好",
    ];
    let mut refused = 0;
    for (turn, file) in FILES.iter().cycle().take(24).enumerate() {
        // Primes spread the places over the files; the first lies in the header.
        let loaded = rules.with(file, |bytes| {
            let at = turn * 7_368_787 % bytes.len() + turn / 8;
            bytes[at] ^= 1 << (turn % 8);
        });
        match loaded {
            Ok(frontend) => texts
                .iter()
                .for_each(|text| drop(answer(&frontend, file, text))),
            Err(e) => {
                refused += 1;
                assert!(e.to_string().contains(file), "{e}");
            }
        }
    }
    assert!(refused > 0, "no flipped bit was noticed");
}

#[test]
fn missing_and_unreadable_files_are_named() {
    let rules = Rules::new();
    for file in FILES {
        let path = rules.0.path().join(file);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(refusal(rules.load()).contains(file));
        // A folder can be opened but not read.
        std::fs::create_dir(&path).unwrap();
        assert!(refusal(rules.load()).contains(file));
        std::fs::remove_dir(&path).unwrap();
        std::fs::write(&path, bytes).unwrap();
    }
    assert!(rules.load().is_ok());
}

#[test]
fn a_vocabulary_that_cannot_be_read_is_named() {
    let copy = tempfile::tempdir().unwrap();
    let load = |dir: &Path| {
        let loaded = TextFrontend::load(dir, Some(&rules()), FrontendOptions::default());
        match loaded {
            Err(e @ (Error::Io { .. } | Error::Format { .. })) => e.to_string(),
            Err(other) => panic!("{other}"),
            Ok(_) => "loaded".into(),
        }
    };
    let files = ["vocab.json", "merges.txt", "tokenizer_config.json"];
    for file in files {
        std::fs::copy(vocabulary().join(file), copy.path().join(file)).unwrap();
    }
    assert_eq!(load(copy.path()), "loaded");
    for file in files {
        let path = copy.path().join(file);
        let whole = std::fs::read(&path).unwrap();
        for damaged in [&whole[..whole.len() / 2], b"\xff\xfe\0", b"[1, 2]"] {
            std::fs::write(&path, damaged).unwrap();
            let said = load(copy.path());
            // Merges are lines of text: half of them are a vocabulary with fewer.
            let fewer = file == "merges.txt" && damaged.len() > 100;
            assert!(
                fewer || said.contains(copy.path().to_str().unwrap()),
                "{file}: {said}"
            );
        }
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        let said = load(copy.path());
        assert!(
            said.contains(copy.path().to_str().unwrap()),
            "{file}: {said}"
        );
        std::fs::remove_dir(&path).unwrap();
        std::fs::write(&path, whole).unwrap();
    }
}
