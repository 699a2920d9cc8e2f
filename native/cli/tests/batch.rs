//! Many requests in one folder: said as `native synth` says them, gone on with, and none lost.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime};

use native::audio::Waveform;
use parity_fixture::testing::tiny_model;
use serde_json::{Value, json};

use crate::tool::{PROMPT_TEXT, names, native, prompt_wav, said, synth};

/// A request in the voice of the usual prompt, with more of it.
fn request(more: Value) -> Value {
    let mut request = json!({ "prompt_wav": prompt_wav(), "prompt_text": PROMPT_TEXT });
    let fields = request.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    request
}

fn write(folder: &Path, requests: &[Value]) {
    let lines: Vec<_> = requests.iter().map(Value::to_string).collect();
    std::fs::write(folder.join("requests.jsonl"), lines.join("\n")).unwrap();
}

fn batch(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = native("batch", tiny_model());
    command.arg(folder.join("requests.jsonl"));
    command.arg("--out").arg(folder.join("out")).args(arguments);
    command
}

fn run(folder: &Path, arguments: &[&str], status: i32) -> Output {
    let output = batch(folder, arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(status), "{}", said(&output));
    output
}

fn changed(path: &Path) -> SystemTime {
    path.metadata().unwrap().modified().unwrap()
}

fn results(folder: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("out/results.jsonl")).unwrap();
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_batch_says_what_synth_says_and_only_what_is_new_when_it_is_run_again() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    let first = request(json!({ "name": "first", "text": "Hello there.", "seed": 3 }));
    let second = request(json!({ "text": "One. <break time=\"0.5s\"/> Two.", "pause": 0.2 }));
    write(folder, &[first.clone(), second.clone()]);
    run(folder, &["--srt", "--vtt"], 0);
    let out = folder.join("out");
    let files = [
        "00002.srt",
        "00002.vtt",
        "00002.wav",
        "first.srt",
        "first.vtt",
        "first.wav",
    ];
    assert_eq!(names(&out), [&files[..], &["results.jsonl"]].concat());

    let alone = folder.join("alone.wav");
    let arguments = ["--text", "Hello there.", "--seed", "3"];
    assert!(
        synth(tiny_model(), &alone)
            .args(arguments)
            .output()
            .unwrap()
            .status
            .success()
    );
    let same = |a: &Path, b: &Path| std::fs::read(a).unwrap() == std::fs::read(b).unwrap();
    assert!(same(&alone, &out.join("first.wav")));

    let was = changed(&out.join("first.wav"));
    let other = request(json!({ "text": "One.", "name": "00002" }));
    write(folder, &[first, other]);
    let output = run(folder, &["--srt", "--vtt"], 0);
    assert!(
        said(&output).contains("1 of 2 requests were said before"),
        "{}",
        said(&output)
    );
    assert_eq!(changed(&out.join("first.wav")), was);
    assert_eq!(results(folder).len(), 3);
    // Without its file, a request was not said.
    std::fs::remove_file(out.join("first.wav")).unwrap();
    run(folder, &["--srt", "--vtt"], 0);
    assert!(same(&alone, &out.join("first.wav")));
}

#[test]
fn what_fails_is_kept_by_line_and_the_others_are_said() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    let good = request(json!({ "name": "good", "text": "Hello." }));
    let bad = [
        request(json!({ "text": "..." })),
        json!({ "text": "Hello.", "prompt_wav": "missing.wav", "prompt_text": PROMPT_TEXT }),
        json!({ "text": "Hello.", "volume": 11 }),
    ];
    write(folder, &[&[good], &bad[..]].concat());
    let output = run(folder, &[], 1);
    let words = said(&output);
    for (line, reason) in [
        (2, "nothing to say"),
        (3, "missing.wav"),
        (4, "unknown field `volume`"),
    ] {
        let place = format!("requests.jsonl:{line}: ");
        let found = words.lines().find(|l| l.contains(&place));
        assert!(found.is_some_and(|l| l.contains(reason)), "{place}{words}");
    }
    assert!(words.contains("3 of 4 requests failed"), "{words}");
    let out = folder.join("out");
    assert_eq!(names(&out), ["errors.jsonl", "good.wav", "results.jsonl"]);
    let errors = std::fs::read_to_string(out.join("errors.jsonl")).unwrap();
    assert_eq!(errors.lines().count(), 3);
    // When all is well, the errors of the run before are gone.
    write(
        folder,
        &[request(json!({ "name": "good", "text": "Hello." }))],
    );
    run(folder, &[], 0);
    assert_eq!(names(&out), ["good.wav", "results.jsonl"]);
}

#[test]
fn a_batch_that_was_killed_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    let requests = (0..6).map(|seed| {
        request(json!({ "name": format!("r{seed}"), "text": "It was a dark night.", "seed": seed }))
    });
    write(folder, &requests.collect::<Vec<_>>());
    let mut killed = batch(folder, &[])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let began = Instant::now();
    let out = folder.join("out");
    while !out.join("r1.wav").exists() {
        assert!(
            began.elapsed() < Duration::from_secs(120),
            "nothing was said"
        );
        assert!(killed.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::sleep(Duration::from_millis(2));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    let was = changed(&out.join("r0.wav"));
    run(folder, &[], 0);
    assert_eq!(changed(&out.join("r0.wav")), was);
    let mut found: Vec<_> = results(folder).iter().map(|r| r["name"].clone()).collect();
    found.sort_by_key(Value::to_string);
    assert_eq!(
        found,
        (0..6).map(|n| json!(format!("r{n}"))).collect::<Vec<_>>()
    );
    let sounds = names(&out)
        .into_iter()
        .filter(|name| name.ends_with(".wav"));
    for name in sounds.filter(|name| !name.contains(".partial-")) {
        assert!(Waveform::read(&out.join(&name)).is_ok(), "{name}");
    }
}

#[test]
fn a_text_from_a_file_is_said_with_pauses_and_subtitles() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    let text = folder.join("text.txt");
    std::fs::write(&text, "One. <break time=\"1.5s\"/>\nTwo.\n").unwrap();
    let (sound, srt) = (folder.join("a.wav"), folder.join("a.srt"));
    let output = synth(tiny_model(), &sound)
        .arg("--text-file")
        .arg(&text)
        .args(["--json", "--srt"])
        .arg(&srt)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let seconds = |segment: usize, what: &str| report["segments"][segment][what].as_f64().unwrap();
    let wave = Waveform::read(&sound).unwrap();
    assert_eq!(report["samples"], wave.samples.len());
    let pause = seconds(1, "start") - seconds(0, "end");
    assert!((pause - 1.5).abs() < 1e-9, "{pause}");
    let from = (seconds(0, "end") * 24_000.0).round() as usize;
    assert!(wave.samples[from..from + 36_000].iter().all(|s| *s == 0.0));
    assert!((seconds(1, "end") - wave.seconds()).abs() < 1e-6);
    let subtitles = std::fs::read_to_string(&srt).unwrap();
    let lines: Vec<_> = subtitles.lines().collect();
    assert_eq!(
        (lines[0], lines[2], lines[6]),
        ("1", "One.", "Two."),
        "{subtitles}"
    );
    assert!(
        lines[1].starts_with("00:00:00,000 --> 00:00:0"),
        "{subtitles}"
    );
}

#[test]
fn subtitles_that_could_not_be_written_are_refused_before_anything_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let sound = dir.path().join("a.wav");
    let output = synth(tiny_model(), &sound)
        .args(["--text", "Hello.", "--vtt", "no-such-folder/a.vtt"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said(&output).contains("no-such-folder"),
        "{}",
        said(&output)
    );
    assert!(names(dir.path()).is_empty());
}
