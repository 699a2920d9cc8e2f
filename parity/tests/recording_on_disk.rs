//! What is written to disk reads back whole, and what was touched is found out.

use std::fs;
use std::path::Path;

use crate::made_up;
use parity::recording::{Error, Reader, Recording, RecordingSource, Writer};

fn written() -> (tempfile::TempDir, Recording) {
    let dir = tempfile::tempdir().unwrap();
    let recording = made_up::recording("python");
    recording.write(dir.path().join("tiny")).unwrap();
    (dir, recording)
}

fn entries(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

#[test]
fn a_recording_reads_back_as_it_was_written() {
    let (dir, recording) = written();
    let read = Recording::read(dir.path().join("tiny")).unwrap();
    assert!(read.cases == recording.cases, "the cases differ");
    assert_eq!(read.manifest.model, recording.manifest.model);
}

#[test]
fn every_byte_of_every_file_is_guarded() {
    let (dir, _) = written();
    let root = dir.path().join("tiny");
    for folder in [root.clone(), root.join("first")] {
        for path in fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
            if path.is_dir() {
                continue;
            }
            let good = fs::read(&path).unwrap();
            for at in [0, good.len() / 3, good.len() - 1] {
                let mut bad = good.clone();
                bad[at] ^= 0x10;
                fs::write(&path, bad).unwrap();
                let error = Recording::read(&root).unwrap_err();
                assert!(matches!(error, Error::Damaged { .. }), "{error}");
                assert!(
                    error.to_string().contains(&path.display().to_string()),
                    "{error}"
                );
            }
            fs::write(&path, &good[..good.len() / 2]).unwrap();
            assert!(Recording::read(&root).is_err());
            fs::write(&path, good).unwrap();
        }
    }
    Recording::read(&root).unwrap();
}

#[test]
fn a_missing_file_is_named() {
    let (dir, _) = written();
    let path = dir.path().join("tiny/second/audio.wav");
    fs::remove_file(&path).unwrap();
    let message = Recording::read(dir.path().join("tiny"))
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("audio.wav: damaged: the file is missing"),
        "{message}"
    );
}

#[test]
fn a_folder_without_a_recording_says_how_to_make_one() {
    let dir = tempfile::tempdir().unwrap();
    let error = Reader::open(dir.path()).unwrap_err();
    assert!(matches!(error, Error::Missing { .. }));
    assert!(error.to_string().contains("parity record"), "{error}");
}

#[test]
fn a_broken_run_leaves_the_old_recording_whole() {
    let (dir, recording) = written();
    let root = dir.path().join("tiny");
    let mut writer = Writer::create(&root, recording.manifest.clone()).unwrap();
    writer.case(&recording.cases["second"]).unwrap();
    drop(writer);
    assert_eq!(Recording::read(&root).unwrap().cases.len(), 2);
    assert_eq!(entries(dir.path()), ["tiny"]);
}

#[test]
fn a_finished_run_replaces_the_old_recording_and_leaves_nothing_beside_it() {
    let (dir, recording) = written();
    let root = dir.path().join("tiny");
    let mut writer = Writer::create(&root, recording.manifest.clone()).unwrap();
    writer.case(&recording.cases["second"]).unwrap();
    writer.finish().unwrap();
    let reader = Reader::open(&root).unwrap();
    assert_eq!(
        reader.manifest().cases.keys().collect::<Vec<_>>(),
        ["second"]
    );
    assert_eq!(entries(dir.path()), ["tiny"]);
    assert_eq!(entries(&root), ["manifest.json", "second"]);
}

#[test]
fn a_folder_that_is_no_recording_is_never_replaced() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("thesis.txt"), "years of work").unwrap();
    let recording = made_up::recording("python");
    assert!(matches!(
        recording.write(dir.path()),
        Err(Error::NotARecording { .. })
    ));
    assert_eq!(entries(dir.path()), ["thesis.txt"]);
}

#[test]
fn an_unfinished_noise_is_refused_before_it_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let mut recording = made_up::recording("python");
    let case = recording.cases.get_mut("first").unwrap();
    case.noise.values_mut().next().unwrap().rms = f64::NAN;
    let message = recording
        .write(dir.path().join("tiny"))
        .unwrap_err()
        .to_string();
    assert!(message.contains("is not finite"), "{message}");
}
