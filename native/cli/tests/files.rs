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

#[test]
fn every_format_has_the_speech_at_the_rate_that_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let say = |name: &str, arguments: &[&str]| {
        let path = folder.path().join(name);
        let output = synth(tiny_model(), &path)
            .args(["--text", "Hello there."])
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{name}: {}", said(&output));
        native::audio::Waveform::read(&path).unwrap()
    };
    let speech = say("a.wav", &[]);
    let rate = |hz: u32| native::audio::resample(&speech.samples, 24_000, hz);
    // The tiny model's sound is noise up to 12 kHz, much of which lossy formats leave out.
    for (name, hz, bound) in [
        ("a.flac", 16_000, 0.05),
        ("a.mp3", 24_000, 0.4),
        ("a.ogg", 48_000, 0.4),
    ] {
        let written = say(name, &["--sample-rate", &hz.to_string()]);
        let expected = rate(hz);
        assert_eq!(written.sample_rate, hz, "{name}");
        assert_eq!(written.samples.len(), expected.len(), "{name}");
        let power = |x: &[f32]| x.iter().map(|x| f64::from(x * x)).sum::<f64>();
        let errors: Vec<_> = expected
            .iter()
            .zip(&written.samples)
            .map(|(a, b)| a - b)
            .collect();
        let error = power(&errors) / power(&expected);
        assert!(error < bound, "{name}: {error}");
    }
    let short = say("b.wav", &["--sample-format", "int16"]);
    for (whole, rounded) in speech.samples.iter().zip(&short.samples) {
        assert!((whole - rounded).abs() <= 0.5 / 32_768.0);
    }
}
