//! The example writers write what can be judged, in Python and in C; and what is wrong with a
//! recording's form is told to who wrote it.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::port::{golden_dir, hand_in, parity, sound, write_json};
use crate::model::{tiny, workspace};

const GOLDEN: &str = "golden/tiny-7";

fn writers() -> std::path::PathBuf {
    workspace().join("python_ref/write_recording")
}

fn words(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn judged(dir: &Path, pieces: &[&str]) {
    let output = parity(&["diff", GOLDEN, dir.to_str().unwrap()]);
    let said = words(&output.stdout) + &words(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    for piece in pieces {
        assert!(said.contains(piece), "{piece:?} is not in: {said}");
    }
}

#[test]
fn the_writer_in_python_is_judged_by_what_it_has() {
    let python = std::env::var("PARITY_PYTHON").unwrap_or_else(|_| "python3".into());
    let has = Command::new(&python)
        .args(["-c", "import numpy, safetensors.numpy"])
        .output();
    if !has.is_ok_and(|o| o.status.success()) {
        eprintln!(
            "SKIPPED: {python} has no numpy and safetensors; PARITY_PYTHON names one that has"
        );
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("port");
    let written = Command::new(&python)
        .arg(writers().join("write_recording.py"))
        .args([&golden_dir(), &out])
        .output()
        .unwrap();
    assert!(written.status.success(), "{}", words(&written.stderr));
    let check = parity(&["check", out.to_str().unwrap(), "--golden", GOLDEN]);
    assert_eq!(check.status.code(), Some(0), "{}", words(&check.stdout));
    judged(
        &out,
        &[
            "begins at llm.tokens in 2 of the 2 cases that were recorded",
            "64 of 66 cases were not recorded",
            "llm.tokens introduced the error",
            "not recorded in any case: ",
            "flow.mel",
        ],
    );
}

#[test]
fn the_writer_in_c_is_judged_by_what_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("write_recording");
    let compiled = Command::new("cc")
        .args(["-Wall", "-Wextra", "-Werror", "-o"])
        .arg(&program)
        .arg(writers().join("write_recording.c"))
        .output();
    let Ok(compiled) = compiled else {
        eprintln!("SKIPPED: there is no C compiler `cc`");
        return;
    };
    assert!(compiled.status.success(), "{}", words(&compiled.stderr));
    let out = dir.path().join("port");
    let written = Command::new(&program).arg(&out).output().unwrap();
    assert!(written.status.success(), "{}", words(&written.stderr));

    // It does not say which model it used: that is told, and mended by one command.
    let path = out.to_str().unwrap();
    let check = parity(&["check", path, "--golden", GOLDEN]);
    let said = words(&check.stdout);
    assert_eq!(check.status.code(), Some(1), "{said}");
    assert!(said.contains("does not say which model files"), "{said}");
    assert!(said.contains("--model-dir DIR writes the hashes"), "{said}");
    let check = parity(&[
        "check",
        path,
        "--golden",
        GOLDEN,
        "--model-dir",
        tiny().to_str().unwrap(),
    ]);
    let said = words(&check.stdout);
    assert_eq!(check.status.code(), Some(0), "{said}");
    assert!(said.contains("llm.tokens 1 of "), "{said}");
    judged(
        &out,
        &[
            "english-short: 4 tokens for 21",
            "it ends at 4",
            "no minimum length",
            "it has no case.json",
        ],
    );
}

#[test]
fn a_writer_is_told_what_is_wrong_and_not_to_restore_a_file() {
    let parent = hand_in(&sound(), "port");
    let dir = parent.path().join("port");
    let path = dir.to_str().unwrap();
    let said = |code: i32| {
        let output = parity(&["check", path, "--golden", GOLDEN]);
        let said = words(&output.stdout) + " " + &words(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(!said.contains("restore"), "{said}");
        said
    };
    assert!(said(0).contains("5 of 66 cases"));

    let wav = dir.join("instruct/audio.wav");
    let good = std::fs::read(&wav).unwrap();
    std::fs::write(&wav, b"RIFF").unwrap();
    assert!(said(1).contains("instruct/audio.wav: it is no wav file"));
    std::fs::write(&wav, parity::wav::encode(&[0.0; 10], 22_050).unwrap()).unwrap();
    assert!(said(1).contains("22050 Hz, but the sound of a recording is mono at 24000 Hz"));
    std::fs::write(&wav, good).unwrap();

    let tensors = dir.join("instruct/tensors.safetensors");
    let good = std::fs::read(&tensors).unwrap();
    let view = |name: &str, dtype, shape: &[usize], bytes: &[u8]| {
        let view = safetensors::tensor::TensorView::new(dtype, shape.to_vec(), bytes).unwrap();
        safetensors::serialize([(name, view)], None).unwrap()
    };
    let f32s = safetensors::Dtype::F32;
    std::fs::write(&tensors, view("flow.mel", f32s, &[1], &[0; 4])).unwrap();
    assert!(said(1).contains("write `flow.mel[0]` for the first one"));
    std::fs::write(&tensors, view("llm.tokens[0]", f32s, &[1], &[0; 4])).unwrap();
    assert!(said(1).contains("instruct: llm.tokens[0] holds floats: write ids as integers"));
    std::fs::write(&tensors, view("flow.mel[0]", f32s, &[1, 80, 2], &[0; 640])).unwrap();
    assert!(said(1).contains("drop its leading axes of 1"));
    std::fs::write(&tensors, view("flow.mel[0]", f32s, &[2, 80], &[0; 640])).unwrap();
    assert!(said(1).contains("transpose it"));
    std::fs::write(&tensors, good).unwrap();

    let manifest = dir.join("manifest.json");
    let good = std::fs::read(&manifest).unwrap();
    write_json(&manifest, &json!({"engine": {"name": "port"}}));
    assert!(said(1).contains("it lacks `\"format\": 1`"));
    write_json(&manifest, &json!({"format": 1, "engin": {"name": "port"}}));
    assert!(said(1).contains("unknown field `engin`"));
    std::fs::write(&manifest, good).unwrap();
    said(0);
}

#[test]
fn a_seal_that_does_not_hold_is_refused_and_a_golden_without_one_too() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("sealed");
    sound().write(&dir).unwrap();
    let path = dir.to_str().unwrap();
    let manifest = dir.join("manifest.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replacen("\"cpu\"", "\"tpu\"", 1)).unwrap();
    let output = parity(&["diff", GOLDEN, path]);
    assert_eq!(output.status.code(), Some(3), "{}", words(&output.stderr));
    let said = words(&output.stderr);
    assert!(said.contains("its seal does not match"), "{said}");

    let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
    value.as_object_mut().unwrap().remove("seal");
    write_json(&manifest, &value);
    let output = parity(&["diff", path, path, "--tolerances", "golden/tolerances.toml"]);
    assert_eq!(output.status.code(), Some(3), "{}", words(&output.stderr));
}
