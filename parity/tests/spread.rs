//! Runs that are spread over shards, stopped, gone on with and merged, as commands.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use parity::recording::{JoinError, Reader, Recording, RunShard, Writer, join};
use parity::shard::{Parts, Shard};
use parity_fixture::testing::{tiny_model, workspace};

use crate::made_up;

/// Cases of the tiny model that keep their tokens only, of several modes and lengths.
const CASES: [&str; 5] = [
    "tokens-zero-shot-hi",
    "tokens-cross-lingual-short",
    "tokens-instruct-fast",
    "tokens-zero-shot-question",
    "tokens-pieces-words",
];

fn parity(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parity"));
    command.args(arguments).current_dir(folder);
    command
}

/// A command on some cases of the tiny model, at a time that is told.
fn on_tiny(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = parity(folder, arguments);
    command.arg("--model-dir").arg(tiny_model());
    let root = workspace();
    command.arg("--cases").arg(root.join("golden/cases.toml"));
    command.args(CASES.iter().flat_map(|case| ["--case", case]));
    command.env("SOURCE_DATE_EPOCH", "1700000000");
    command.env_remove("GITHUB_ACTIONS");
    command
}

fn report(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = on_tiny(folder, &[&["report", "--quiet"], arguments].concat());
    let golden = workspace().join("golden/tiny-7");
    command.arg("--golden").arg(golden).output().unwrap()
}

fn said(output: &Output) -> String {
    let words = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    words.into_owned()
}

fn merge(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = parity(folder, &[&["merge", "--quiet"], arguments].concat());
    command.env("SOURCE_DATE_EPOCH", "1700000000");
    command.env_remove("GITHUB_ACTIONS");
    command.output().unwrap()
}

/// The kept cases, each with the time at which it was written.
fn kept(folder: &Path) -> BTreeMap<PathBuf, std::time::SystemTime> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let paths = entries.map(|entry| entry.unwrap().path());
    // What a killed process had not finished is hidden.
    let hidden = |path: &Path| {
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().starts_with('.')
    };
    let paths = paths.filter(|path| !hidden(path));
    let manifests = paths.map(|path| path.join("manifest.json"));
    manifests
        .filter_map(|path| Some((path.clone(), path.metadata().ok()?.modified().ok()?)))
        .collect()
}

#[test]
fn shards_merge_to_the_bytes_of_one_run_and_a_gap_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    let whole = report(folder, &["--out", "whole"]);
    assert_eq!(whole.status.code(), Some(0), "{}", said(&whole));
    for shard in ["1", "2", "3"] {
        // Two kinds of asking: by number, and by a scheduler's variables.
        let out = format!("shard-{shard}");
        let mut command = on_tiny(
            folder,
            &["report", "--quiet", "--shard", "auto", "--out", &out],
        );
        command
            .env("CI_NODE_INDEX", shard)
            .env("CI_NODE_TOTAL", "3");
        let golden = workspace().join("golden/tiny-7");
        let output = command.arg("--golden").arg(golden).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        assert!(
            said(&output).contains(&format!("shard {shard}/3: ")),
            "{}",
            said(&output)
        );
    }
    let shards = ["shard-3", "shard-1", "shard-2"];
    let merged = merge(folder, &[&shards[..], &["--out", "merged"]].concat());
    assert_eq!(merged.status.code(), Some(0), "{}", said(&merged));
    for file in ["report.json", "index.html", "junit.xml"] {
        let read = |run: &str| std::fs::read(folder.join(run).join(file)).unwrap();
        assert!(read("whole") == read("merged"), "{file} differs");
    }

    let gap = merge(folder, &["shard-1", "shard-3", "--out", "gap"]);
    assert_eq!(gap.status.code(), Some(4), "{}", said(&gap));
    let words = "shard 2 of 3: its report is missing";
    assert!(said(&gap).contains(words), "{}", said(&gap));
    assert!(!folder.join("gap").exists());
    let rest = merge(
        folder,
        &["shard-1", "shard-3", "--incomplete", "--out", "gap"],
    );
    assert_eq!(rest.status.code(), Some(4), "{}", said(&rest));
    let page = std::fs::read_to_string(folder.join("gap/index.html")).unwrap();
    assert!(page.contains(words));
    let double = merge(
        folder,
        &[
            "shard-1", "shard-2", "shard-2", "shard-3", "--out", "double",
        ],
    );
    assert_eq!(double.status.code(), Some(1), "{}", said(&double));
    assert!(
        said(&double).contains("give each once"),
        "{}",
        said(&double)
    );
}

#[test]
fn a_recording_that_was_killed_goes_on_with_the_cases_that_it_kept() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    let arguments = [
        "record", "--engine", "native", "--shard", "1/1", "--keep", "kept", "--out",
    ];
    let mut killed = on_tiny(folder, &[&arguments[..], &["killed"]].concat())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while kept(&folder.join("kept")).len() < 2 {
        assert!(
            began.elapsed() < Duration::from_secs(120),
            "nothing was kept"
        );
        assert!(killed.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::sleep(Duration::from_millis(2));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    let before = kept(&folder.join("kept"));

    let again = on_tiny(folder, &[&arguments[..], &["again"]].concat())
        .output()
        .unwrap();
    assert_eq!(again.status.code(), Some(0), "{}", said(&again));
    let after = kept(&folder.join("kept"));
    assert_eq!(after.len(), CASES.len());
    for (path, written) in &before {
        assert_eq!(
            after.get(path),
            Some(written),
            "{} was recorded again",
            path.display()
        );
    }
    let without = ["record", "--engine", "native", "--out", "fresh"];
    let fresh = on_tiny(folder, &without).output().unwrap();
    assert_eq!(fresh.status.code(), Some(0), "{}", said(&fresh));
    let files = |dir: &str| Reader::open(folder.join(dir)).unwrap().manifest_of_cases();
    assert_eq!(files("again"), files("fresh"));
}

trait ManifestOfCases {
    fn manifest_of_cases(&self) -> BTreeMap<String, parity::recording::CaseFiles>;
}

impl ManifestOfCases for Reader {
    fn manifest_of_cases(&self) -> BTreeMap<String, parity::recording::CaseFiles> {
        parity::recording::RecordingSource::manifest(self)
            .cases
            .clone()
    }
}

/// The recordings of two shards of a golden of five cases, in `1` and `2`.
fn two_shards(dir: &Path, spoil: impl Fn(usize, &mut Recording)) -> Vec<Reader> {
    let mut whole = made_up::golden();
    let first = whole.cases["first"].clone();
    for name in ["third", "fourth", "fifth"] {
        let mut case = first.clone();
        case.case.case.name = name.into();
        whole.cases.insert(name.into(), case);
    }
    let run_cases: Vec<_> = whole.cases.keys().cloned().collect();
    let parts = Parts::of_cases(whole.cases.values().map(|c| &c.case.case), 2);
    whole.write(dir.join("whole")).unwrap();
    let shard = |index: usize| {
        let mut recording = whole.clone();
        let numbers = run_cases.iter().zip(parts.numbers());
        for (name, _) in numbers.filter(|(_, number)| **number != index) {
            recording.cases.remove(name);
        }
        recording.manifest.shard = Some(RunShard {
            shard: Shard { index, of: 2 },
            run_cases: run_cases.clone(),
        });
        recording.manifest.seconds.insert("llm".into(), 1.5);
        spoil(index, &mut recording);
        let folder = dir.join(index.to_string());
        recording.write(&folder).unwrap();
        Reader::open(folder).unwrap()
    };
    vec![shard(1), shard(2)]
}

fn joined(dir: &Path, shards: &[Reader]) -> Result<usize, JoinError> {
    join(shards, Writer::reserve(dir.join("joined")).unwrap())
}

#[test]
fn the_recordings_of_shards_join_to_that_of_one_run() {
    let dir = tempfile::tempdir().unwrap();
    let shards = two_shards(dir.path(), |_, _| ());
    assert_eq!(joined(dir.path(), &shards).unwrap(), 5);
    let whole = Recording::read_golden(dir.path().join("whole")).unwrap();
    let joined = Recording::read_golden(dir.path().join("joined")).unwrap();
    assert_eq!(joined.cases, whole.cases);
    assert_eq!(joined.manifest.cases, whole.manifest.cases);
    assert_eq!(
        (&joined.manifest.shard, joined.manifest.seconds["llm"]),
        (&None, 3.0)
    );
}

#[test]
fn recordings_with_gaps_doubles_or_other_engines_are_not_joined() {
    type Spoil = fn(usize, &mut Recording);
    let refused: [(Spoil, &str); 6] = [
        (
            |index, r| {
                if index == 2 {
                    r.cases.pop_first();
                }
            },
            "1 case(s) of the run are in no recording",
        ),
        (
            |_, r| {
                let case = made_up::golden().cases["second"].clone();
                r.cases.insert("second".into(), case);
            },
            "case second is in recording 2 and in an earlier one",
        ),
        (
            |index, r| {
                let mut case = made_up::golden().cases["second"].clone();
                case.case.case.name = "stranger".into();
                if index == 2 {
                    r.cases.insert("stranger".into(), case);
                }
            },
            "has case stranger, which is not of its run",
        ),
        (
            |index, r| {
                if index == 2 {
                    r.manifest.libraries.insert("torch".into(), "2.4.0".into());
                }
            },
            "its libraries differs",
        ),
        (
            |_, r| r.manifest.shard = None,
            "recording 1 is not of a shard",
        ),
        (
            |_, r| r.manifest.shard.as_mut().unwrap().shard.index = 1,
            "recording 2 is of shard 1",
        ),
    ];
    for (spoil, words) in refused {
        let dir = tempfile::tempdir().unwrap();
        let shards = two_shards(dir.path(), spoil);
        let error = joined(dir.path(), &shards).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
        assert!(!dir.path().join("joined").exists());
    }
    let dir = tempfile::tempdir().unwrap();
    let shards = two_shards(dir.path(), |_, _| ());
    let error = joined(dir.path(), &shards[1..]).unwrap_err().to_string();
    assert!(
        error.contains("shards of 2 are missing: 1; record them"),
        "{error}"
    );
}

#[test]
fn a_shard_does_not_replace_a_whole_recording_and_needs_cases() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    made_up::golden().write(folder.join("golden")).unwrap();
    let record = |shard: &str| {
        let arguments = [
            "record", "--engine", "native", "--shard", shard, "--out", "golden",
        ];
        said(&on_tiny(folder, &arguments).output().unwrap())
    };
    let words = record("1/2");
    assert!(words.contains("must not replace"), "{words}");
    assert!(Recording::read_golden(folder.join("golden")).is_ok());
    let words = said(&report(folder, &["--shard", "auto", "--out", "out"]));
    assert!(words.contains("write it as I/N"), "{words}");
}
