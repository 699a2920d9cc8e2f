//! The native text frontend against everything that the reference was asked: `golden/text`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::model;
use native::model_dir::ModelDir;
use parity::recording::Error;
use parity::shard::Shard;
use parity::text_corpus::{
    AnswerLine, AnswersHeader, Corpus, KeptAnswers, NativeFrontends, Outcome, Plan, ReadAnswers,
    Summary, check, join_answers, reserve, write,
};

fn golden() -> PathBuf {
    model::workspace().join("golden/text")
}

fn summary(corpus: &Corpus) -> Summary {
    let model = ModelDir::open(model::tiny()).unwrap();
    corpus.manifest.expect_model(&model).unwrap();
    check(corpus, &mut NativeFrontends::new(&model), None).unwrap()
}

#[test]
fn every_recorded_line_has_the_segments_and_ids_of_the_reference() {
    let summary = summary(&Corpus::read(golden()).unwrap());
    println!("{summary}");
    for (kind, lines) in &summary.reference_failures {
        println!("the reference raises {kind} on {lines} lines");
    }
    for f in &summary.failures {
        println!("{} {} {:?}: {}", f.place, f.raised, f.text, f.warning);
    }
    assert_eq!(summary.examples, [], "{summary}");
    // What was recorded, so that nothing drops out unseen.
    assert_eq!((summary.lines, summary.compared), (LINES, COMPARED));
    assert_eq!(summary.agreed, COMPARED);
    let failures: usize = summary.reference_failures.values().sum();
    assert_eq!(failures, summary.failures.len());
    assert_eq!(failures, LINES - COMPARED);
    let settings: Vec<_> = summary.settings.iter().map(|s| &*s.name).collect();
    let expected = [
        "english-prefix",
        "no-frontend",
        "no-wetext",
        "older-wetext",
        "usual",
        "whole",
    ];
    assert_eq!(settings, expected);
}

#[test]
fn the_corpus_has_what_it_is_there_for() {
    let corpus = Corpus::read(golden()).unwrap();
    let part = |name: &str| corpus.parts.iter().find(|p| p.name == name).unwrap();
    let usual = &part("usual").lines;
    assert!(usual.len() >= 6000, "{} lines", usual.len());
    let many = |line: &&parity::text_corpus::Line| {
        let length = line.text.chars().count();
        let segments = match &line.outcome {
            Outcome::Answered(spoken) => spoken.segments.len(),
            Outcome::Raised(_) => 0,
        };
        (300..=3000).contains(&length) && segments >= 3
    };
    let chinese = |text: &str| text.contains(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
    let long: Vec<_> = usual.iter().filter(many).collect();
    let in_chinese = long.iter().filter(|line| chinese(&line.text)).count();
    let in_english = long.len() - in_chinese;
    assert!(in_chinese >= 50, "{in_chinese} long Chinese paragraphs");
    assert!(in_english >= 15, "{in_english} long English paragraphs");
    let with = |what: &str| usual.iter().filter(|line| line.text.contains(what)).count();
    for what in [
        "<|",
        "|>",
        "<|en|>",
        "<|endofprompt|>",
        "\"",
        "”",
        "🎉",
        "\0",
        "\u{301}",
    ] {
        assert!(with(what) >= 3, "{} texts with {what:?}", with(what));
    }
    let segments = |name: &str| {
        let outcomes = part(name).lines.iter().map(|line| &line.outcome);
        let spoken = outcomes.filter_map(|o| match o {
            Outcome::Answered(spoken) => Some(spoken.segments.clone()),
            Outcome::Raised(_) => None,
        });
        spoken.flatten().collect::<Vec<_>>()
    };
    let prefixed = |s: &&String| s.starts_with("<|en|>");
    assert!(segments("english-prefix").iter().filter(prefixed).count() > 200);
    for line in &part("no-frontend").lines {
        let Outcome::Answered(spoken) = &line.outcome else {
            panic!("{}: {:?}", line.place, line.outcome);
        };
        assert_eq!(spoken.segments, [line.text.as_str()]);
    }
}

/// A copy of the corpus that may be damaged.
struct Copy(tempfile::TempDir);

impl Copy {
    fn new() -> Self {
        let copy = Self(tempfile::tempdir().unwrap());
        for folder in ["", "texts", "recorded"] {
            let (from, to) = (golden().join(folder), copy.path(folder));
            fs::create_dir_all(&to).unwrap();
            for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
                if entry.file_type().unwrap().is_file() {
                    fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
                }
            }
        }
        copy
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    fn change(&self, file: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = fs::read(self.path(file)).unwrap();
        change(&mut bytes);
        fs::write(self.path(file), bytes).unwrap();
    }

    fn error(&self) -> Error {
        Corpus::read(self.0.path()).unwrap_err()
    }

    fn parity(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_parity"));
        command
            .args(["text", "check", "--corpus"])
            .arg(self.0.path());
        command
            .arg("--model-dir")
            .arg(model::tiny())
            .args(arguments);
        command.output().unwrap()
    }
}

#[test]
fn a_damaged_file_is_named_and_exits_with_3() {
    for (file, at) in [
        ("recorded/usual.jsonl", 1000),
        ("recorded/older-wetext.jsonl", 40),
        ("recorded/manifest.json", 300),
    ] {
        let copy = Copy::new();
        copy.change(file, |bytes| bytes[at] ^= 1);
        let error = copy.error();
        assert!(matches!(error, Error::Damaged { .. }), "{file}: {error}");
        assert!(error.to_string().contains(file), "{file}: {error}");
        let output = copy.parity(&[]);
        assert_eq!(output.status.code(), Some(3), "{output:?}");
    }
    for file in ["recorded/whole.jsonl", "texts/mixed.jsonl", "corpus.toml"] {
        let copy = Copy::new();
        copy.change(file, |bytes| bytes.truncate(bytes.len() / 2));
        let error = copy.error();
        let refused = matches!(error, Error::Damaged { .. } | Error::Stale { .. });
        assert!(
            refused && error.to_string().contains(file),
            "{file}: {error}"
        );
        fs::remove_file(copy.path(file)).unwrap();
        let error = copy.error();
        assert!(matches!(error, Error::Damaged { .. }), "{file}: {error}");
        assert_eq!(copy.parity(&[]).status.code(), Some(3));
    }
}

#[test]
fn a_corpus_without_a_recording_is_missing_and_exits_with_3() {
    let copy = Copy::new();
    fs::remove_dir_all(copy.path("recorded")).unwrap();
    assert!(matches!(copy.error(), Error::Missing { .. }));
    assert_eq!(copy.parity(&[]).status.code(), Some(3));
}

#[test]
fn texts_and_plans_changed_after_the_recording_are_stale() {
    for (file, more) in [
        ("texts/english.jsonl", "\"One more.\"\n"),
        ("corpus.toml", "# One more.\n"),
    ] {
        let copy = Copy::new();
        copy.change(file, |bytes| bytes.extend(more.as_bytes()));
        let error = copy.error();
        assert!(matches!(error, Error::Stale { .. }), "{error}");
        assert!(error.to_string().contains(file), "{error}");
        assert_eq!(copy.parity(&[]).status.code(), Some(3));
    }
}

#[test]
fn a_recording_of_another_vocabulary_is_stale() {
    let (model, other) = (model::tiny(), tempfile::tempdir().unwrap());
    let files = [
        "cosyvoice3.yaml",
        "CosyVoice-BlankEN/config.json",
        "CosyVoice-BlankEN/vocab.json",
        "CosyVoice-BlankEN/merges.txt",
        "CosyVoice-BlankEN/tokenizer_config.json",
        "text_rules/en/tn/tagger.fst",
        "text_rules/en/tn/verbalizer.fst",
        "text_rules/zh/tn/tagger.fst",
        "text_rules/zh/tn/verbalizer.fst",
    ];
    for file in files {
        let to = other.path().join(file);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(model.join(file), to).unwrap();
    }
    let corpus = Corpus::read(golden()).unwrap();
    let held_against = |dir: &Path| corpus.manifest.expect_model(&ModelDir::open(dir).unwrap());
    held_against(other.path()).unwrap();
    let merges = other.path().join("CosyVoice-BlankEN/merges.txt");
    let more = fs::read_to_string(&merges).unwrap() + "a b\n";
    fs::write(&merges, more).unwrap();
    let error = held_against(other.path()).unwrap_err();
    assert!(matches!(error, Error::Stale { .. }), "{error}");
    assert!(error.to_string().contains("merges.txt"), "{error}");
}

/// The corpus with one answer of each kind changed, recorded as if the reference had said so.
fn with_changed_answers() -> (Copy, Vec<String>) {
    let copy = Copy::new();
    let corpus = Corpus::read(golden()).unwrap();
    let plan = Plan::read(copy.0.path()).unwrap();
    let mut answers: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for part in &corpus.parts {
        let outcomes = part.lines.iter().map(|line| line.outcome.clone());
        answers.insert(part.name.clone(), outcomes.collect());
    }
    let usual = answers.get_mut("usual").unwrap();
    let long = |o: &Outcome| matches!(o, Outcome::Answered(s) if s.segments.len() > 2);
    let raised = |o: &Outcome| matches!(o, Outcome::Raised(_));
    let long: Vec<_> = (0..usual.len()).filter(|&i| long(&usual[i])).collect();
    let raised = usual.iter().position(raised).unwrap();
    let mut changed = vec!["the reason".to_owned()];
    usual[raised] = Outcome::Raised("MemoryError".into());
    for (at, &i) in long.iter().take(5).enumerate() {
        let Outcome::Answered(spoken) = &mut usual[i] else {
            unreachable!("only these were chosen");
        };
        changed.push(match at {
            0 => {
                spoken.normalized.insert(3, '~');
                "the normalised text".into()
            }
            1 => {
                spoken.segments[1].push('~');
                "segment 2".into()
            }
            2 => {
                spoken.segments.pop();
                spoken.ids.pop();
                "the number of segments".into()
            }
            3 => {
                spoken.ids[1][2] += 1;
                "the ids of segment 2, from id 3".into()
            }
            _ => {
                usual[i] = Outcome::Raised("IndexError".into());
                "no warning".into()
            }
        });
    }
    assert!(
        write(
            reserve(copy.0.path()).unwrap(),
            copy.0.path(),
            &plan,
            corpus.manifest.reference,
            &answers
        )
        .unwrap()
    );
    (copy, changed)
}

#[test]
fn every_kind_of_difference_is_found_named_and_exits_with_2() {
    let (copy, changed) = with_changed_answers();
    let found = summary(&Corpus::read(copy.0.path()).unwrap());
    assert_eq!(found.differing, changed.len());
    let mut named: Vec<_> = found.examples.iter().map(|e| &e.difference.what).collect();
    let mut expected: Vec<_> = changed.iter().collect();
    named.sort();
    expected.sort();
    assert_eq!(named, expected);
    let with_runs = |e: &&parity::text_corpus::Example| !e.difference.runs.is_empty();
    assert_eq!(found.examples.iter().filter(with_runs).count(), 2);
    assert!(!found.agrees());
    let output = copy.parity(&[]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("segment 2\n  reference  "), "{said}");
}

#[test]
fn recording_the_same_again_keeps_what_was_there() {
    let copy = Copy::new();
    let corpus = Corpus::read(copy.0.path()).unwrap();
    let plan = Plan::read(copy.0.path()).unwrap();
    let parts = corpus.parts.iter().map(|part| {
        let outcomes = part.lines.iter().map(|line| line.outcome.clone());
        (part.name.clone(), outcomes.collect())
    });
    let answers = parts.collect();
    let before = fs::read(copy.path("recorded/manifest.json")).unwrap();
    assert!(
        !write(
            reserve(copy.0.path()).unwrap(),
            copy.0.path(),
            &plan,
            corpus.manifest.reference,
            &answers
        )
        .unwrap()
    );
    let after = fs::read(copy.path("recorded/manifest.json")).unwrap();
    assert!(before == after);
}

#[test]
fn the_check_answers_in_json() {
    let output = Copy::new().parity(&["--json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let found: Summary = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((found.lines, found.agreed), (LINES, COMPARED));
}

/// Lines in all settings.
const LINES: usize = 10_224;
/// Those of them that the reference answers.
const COMPARED: usize = 9_660;

/// Some lines of each part of the corpus.
fn excerpt() -> Corpus {
    let mut corpus = Corpus::read(golden()).unwrap();
    for part in &mut corpus.parts {
        part.lines.truncate(60);
    }
    // Not what the reference has said, so that there are lines that differ.
    for line in corpus
        .parts
        .iter_mut()
        .flat_map(|part| part.lines.iter_mut().step_by(7))
    {
        line.outcome = Outcome::Raised("MadeUp".into());
    }
    corpus
}

#[test]
fn what_shards_find_in_the_texts_adds_up_to_what_one_run_finds() {
    let corpus = excerpt();
    let model = ModelDir::open(model::tiny()).unwrap();
    let mut frontends = NativeFrontends::new(&model);
    let whole = check(&corpus, &mut frontends, None).unwrap();
    assert!(whole.differing > whole.examples.len(), "{whole}");
    for of in [1, 3, 8] {
        let shards = (1..=of).rev().map(|index| Shard { index, of });
        let found: Vec<_> = shards
            .map(|shard| check(&corpus, &mut frontends, Some(shard)).unwrap())
            .collect();
        assert!(found.iter().all(|s| s.lines < whole.lines || of == 1));
        let merged = found.into_iter().reduce(Summary::with).unwrap();
        assert_eq!(merged, whole, "{of} shards");
    }
}

/// A copy of the corpus's texts with a header and what the reference has answered, by part and
/// number.
fn answered() -> (Plan, AnswersHeader, BTreeMap<(String, usize), AnswerLine>) {
    let (corpus, plan) = (
        Corpus::read(golden()).unwrap(),
        Plan::read(&golden()).unwrap(),
    );
    let header = AnswersHeader::new(&plan, corpus.manifest.reference.clone(), None);
    let lines = corpus.parts.into_iter().flat_map(|part| {
        let name = part.name;
        part.lines.into_iter().map(move |line| {
            let answer = AnswerLine::of(&line.text, line.outcome);
            ((name.clone(), line.number), answer)
        })
    });
    (plan, header, lines.collect())
}

#[test]
fn answers_of_shards_join_and_gaps_and_doubles_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (plan, header, all) = answered();
    let parts = plan.cut(3);
    let file = |name: &str, keep: &dyn Fn(usize) -> bool| {
        let path = dir.path().join(name);
        let mut kept = KeptAnswers::open(&path, &header).unwrap();
        for (at, ((part, number), answer)) in all.iter().enumerate() {
            if keep(at) {
                kept.add(part, *number, answer.clone()).unwrap();
            }
        }
        ReadAnswers::read(&path).unwrap()
    };
    let shard = |index| {
        let parts = parts.clone();
        file(&format!("{index}"), &move |at| {
            parts.has(Shard { index, of: 3 }, at)
        })
    };
    let shards = [shard(1), shard(2), shard(3)];
    let (_, joined) = join_answers(&plan, &shards).unwrap();
    assert_eq!(joined.values().map(Vec::len).sum::<usize>(), plan.count());
    let recorded = Corpus::read(golden()).unwrap();
    for part in &recorded.parts {
        let same = part
            .lines
            .iter()
            .map(|l| &l.outcome)
            .eq(&joined[&part.name]);
        assert!(same, "{}", part.name);
    }
    let error = join_answers(&plan, &shards[..2]).unwrap_err().to_string();
    assert!(
        error.contains("text(s) are answered in no file; the first is"),
        "{error}"
    );
    let double = [&shards[..], &[file("double", &|at| at == 0)]].concat();
    let error = join_answers(&plan, &double).unwrap_err().to_string();
    assert!(error.contains("answered in an earlier file too"), "{error}");
}

#[test]
fn a_file_of_answers_goes_on_after_its_last_whole_line_and_refuses_another_reference() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("answers.jsonl");
    let (_, header, all) = answered();
    let mut some = all.iter().take(3);
    let mut add = |kept: &mut KeptAnswers| {
        let ((part, number), answer) = some.next().unwrap();
        kept.add(part, *number, answer.clone()).unwrap();
    };
    let mut kept = KeptAnswers::open(&path, &header).unwrap();
    add(&mut kept);
    add(&mut kept);
    let text = std::fs::read_to_string(&path).unwrap();
    // Killed in the middle of the second answer.
    std::fs::write(&path, &text[..text.len() - 5]).unwrap();
    let mut kept = KeptAnswers::open(&path, &header).unwrap();
    assert_eq!(kept.answers().len(), 1);
    add(&mut kept);
    assert_eq!(ReadAnswers::read(&path).unwrap().answers.len(), 2);

    let mut other = header.clone();
    other.reference.commit = Some("another".into());
    let error = KeptAnswers::open(&path, &other).unwrap_err().to_string();
    assert!(error.contains("of another reference"), "{error}");
    std::fs::write(&path, text + "{\"part\"\n").unwrap();
    let error = KeptAnswers::open(&path, &header).unwrap_err().to_string();
    assert!(
        error.contains("answers.jsonl") && error.contains("line 4"),
        "{error}"
    );
}
