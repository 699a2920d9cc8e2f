//! What is written when a command fails midway, and where.

use crate::tool::{names, said, synth};
use parity_fixture::testing::tiny_model;

#[test]
fn a_full_disk_is_an_error() {
    if !std::path::Path::new("/dev/full").exists() {
        println!("SKIPPED: this system has no /dev/full");
        return;
    }
    let output = synth(tiny_model(), std::path::Path::new("/dev/full"))
        .args(["--text", "Hello there."])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("/dev/full"), "{}", said(&output));
}

#[test]
fn a_finished_command_leaves_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hello");
    let output = synth(tiny_model(), &path)
        .args(["--text", "Hello there."])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(names(folder.path()), ["hello"]);
    let wave = native::audio::Waveform::read(&path).unwrap();
    assert!(wave.samples.len() > 1000);
}
