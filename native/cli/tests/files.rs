//! What is written when a command fails midway, and where.

use crate::tool::{names, said, spoiled, synth};
use parity_fixture::testing::tiny_model;

/// The mark that ends a segment.
const END_OF_SPEECH: usize = 6562;

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
fn what_was_said_before_a_segment_that_fails_is_kept() {
    // The end of the speech is so likely that some segments have nothing before it.
    let model = spoiled("llm", |tensors| {
        let decoder = tensors.get_mut("llm_decoder.weight").unwrap();
        let row = (decoder.narrow(0, END_OF_SPEECH, 1).unwrap() * 2.5).unwrap();
        let rest = END_OF_SPEECH + 1;
        let (before, after) = (
            decoder.narrow(0, 0, END_OF_SPEECH).unwrap(),
            decoder
                .narrow(0, rest, decoder.dim(0).unwrap() - rest)
                .unwrap(),
        );
        *decoder = candle_core::Tensor::cat(&[before, row, after], 0).unwrap();
    });
    let sentence = "It was a dark night and the old house stood on the hill above the small town, \
                    and the wind blew hard from the sea, while the rain beat on its windows, and \
                    somebody walked up and down in the long hall of the house until morning came. ";
    let text = sentence.repeat(6);
    for seed in 0..12 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("speech.wav");
        std::fs::write(&path, "what was there").unwrap();
        let output = synth(model.path(), &path)
            .args(["--text", &text, "--seed", &seed.to_string()])
            .output()
            .unwrap();
        let message = said(&output);
        if !message.contains("is kept in") {
            continue;
        }
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert!(
            message.contains("of 6 segments") && message.contains("sampled no speech for segment"),
            "{message}"
        );
        assert_eq!(std::fs::read(&path).unwrap(), b"what was there");
        let [kept, _] = &names(folder.path())[..] else {
            panic!("{:?}", names(folder.path()));
        };
        let wave = native::audio::Waveform::read(&folder.path().join(kept)).unwrap();
        assert!(wave.samples.iter().any(|&x| x != 0.0));
        return;
    }
    panic!(
        "no seed failed after the first segment: the planted weights are too weak or too strong"
    );
}
