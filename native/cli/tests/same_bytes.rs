//! The same command gives the same bytes, however many threads compute it.

use crate::tool::{said, synth};
use parity_fixture::testing::tiny_model;
use serde_json::Value;

/// Takes the times out of a report.
fn without_times(mut report: Value) -> Value {
    report.as_object_mut().unwrap().remove("seconds");
    for segment in report["segments"].as_array_mut().unwrap() {
        segment.as_object_mut().unwrap().remove("seconds");
    }
    report
}

fn on_threads(threads: &str, arguments: &[&str]) -> (Vec<u8>, Value) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let output = synth(tiny_model(), &path)
        .args(["--json", "--text", "It costs $5."])
        .args(arguments)
        .env("RAYON_NUM_THREADS", threads)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let report = serde_json::from_slice(&output.stdout).unwrap();
    (std::fs::read(&path).unwrap(), without_times(report))
}

#[test]
fn speech_and_report_are_the_same_on_one_two_and_eight_threads() {
    for arguments in [&["--seed", "3"][..], &["--stream"]] {
        let one = on_threads("1", arguments);
        for threads in ["2", "8"] {
            assert!(
                on_threads(threads, arguments) == one,
                "{threads} threads, {arguments:?}"
            );
        }
    }
}
