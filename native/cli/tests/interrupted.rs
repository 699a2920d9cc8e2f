//! Commands that are told to stop.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::tool::{names, synth};
use native::audio::Waveform;
use parity_fixture::testing::tiny_model;

/// Far longer than the tiny model needs to begin.
const PATIENCE: Duration = Duration::from_secs(120);
/// The command promises a second; the machine may do other work too.
const AT_ONCE: Duration = Duration::from_secs(3);

/// Says a long text, and waits until some of it is said.
fn begun(output: &Path) -> (Child, PathBuf) {
    let text =
        "It was a dark night and the old house stood on the hill above the town. ".repeat(60);
    let mut child = synth(tiny_model(), output)
        .args(["--text", &text])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let started = Instant::now();
    let folder = output.parent().unwrap();
    loop {
        if let Some(partial) = names(folder).iter().find(|name| name.contains(".partial-")) {
            return (child, folder.join(partial));
        }
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        assert!(started.elapsed() < PATIENCE, "nothing was said");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_signal_ends_the_command_at_once_and_leaves_only_what_was_said() {
    for signal in ["-INT", "-TERM"] {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("speech.wav");
        std::fs::write(&output, "what was there").unwrap();
        let (mut child, partial) = begun(&output);
        let asked = Instant::now();
        let sent = Command::new("kill")
            .args([signal, &child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
        let status = child.wait().unwrap();
        assert!(asked.elapsed() < AT_ONCE, "after {:?}", asked.elapsed());
        assert_eq!(status.code(), Some(130));
        assert_eq!(std::fs::read(&output).unwrap(), b"what was there");
        assert_eq!(names(folder.path()).len(), 2);
        // It may have been interrupted before the first samples, never amid them.
        let bytes = std::fs::read(&partial).unwrap();
        assert!(bytes.is_empty() || Waveform::read(&partial).is_ok());
    }
}
