//! Saving speakers.

use std::process::{Command, Stdio};

use crate::tool::{PROMPT_TEXT, names, prompt_wav, said};
use parity_fixture::testing::tiny_model;

#[test]
fn speakers_that_are_saved_at_once_are_all_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("voices.pt");
    let wanted: Vec<_> = (1..=6).map(|i| format!("speaker-{i}")).collect();
    let add = |name: &String| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_native"));
        command
            .args(["speaker", "add", name, "--model-dir"])
            .arg(tiny_model());
        command.arg("--prompt-wav").arg(prompt_wav());
        command
            .args(["--prompt-text", PROMPT_TEXT, "--speakers"])
            .arg(&file);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let adding: Vec<_> = wanted.iter().map(add).collect();
    for child in adding {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
    }
    let speakers = native::model_dir::SavedSpeakers::open(&file).unwrap();
    let mut saved: Vec<_> = speakers.names().collect();
    // In whatever order they came.
    saved.sort_unstable();
    assert_eq!(saved, wanted);
    assert_eq!(names(folder.path()), [".voices.pt.lock", "voices.pt"]);
}
