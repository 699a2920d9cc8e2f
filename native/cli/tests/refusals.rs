//! What is refused is refused before anything is loaded or written.

use std::path::Path;

use crate::tool::{names, native, prompt_wav, said, synth};
use parity_fixture::testing::{tiny_model, voice_model};

const HELLO: [&str; 2] = ["--text", "Hello."];

/// Runs `synth` with an output that exists, and gives what it said.
fn refused(name: &str, arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let old = folder.path().join(name);
    std::fs::write(&old, "what was there").unwrap();
    let output = synth(tiny_model(), &old).args(arguments).output().unwrap();
    assert_eq!(
        output.status.code(),
        Some(1),
        "{arguments:?}: {}",
        said(&output)
    );
    assert_eq!(
        std::fs::read(&old).unwrap(),
        b"what was there",
        "{arguments:?}"
    );
    assert_eq!(names(folder.path()), [name], "{arguments:?}");
    said(&output)
}

#[test]
fn a_refused_command_leaves_the_file_that_was_there() {
    for (arguments, reason) in [
        (
            &["--stream", "--speed", "1.5"][..],
            "does not support speed 1.5",
        ),
        (&["--speed", "-1"], "speed -1: it must be a number above 0"),
        (
            &["--instruct", "Be loud."],
            "zero-shot has no use for --instruct",
        ),
        (
            &["--source-wav", "a.wav"],
            "zero-shot has no use for --source-wav",
        ),
        (
            &["--mode", "instruct"],
            "instruct has no use for --prompt-text",
        ),
        (
            &["--speakers", "a.pt"],
            "--speakers is of no use without --speaker",
        ),
    ] {
        let message = refused("old.wav", &[&HELLO[..], arguments].concat());
        assert!(message.contains(reason), "{message}");
    }
}

#[test]
fn a_text_without_words_is_refused() {
    for text in ["", "   ", "\u{200b}\n", "...", "…… ！！！", "( ) -"] {
        for stream in [&[][..], &["--stream"]] {
            let message = refused("old.wav", &[&["--text", text][..], stream].concat());
            assert!(message.contains("nothing to say"), "{text:?}: {message}");
        }
    }
    let message = refused("old.wav", &["--pieces", "--text", " \n \n"]);
    assert!(message.contains("nothing to say"), "{message}");
}

#[test]
fn a_format_that_is_unknown_or_cannot_have_what_is_asked_for_is_refused() {
    for (name, arguments, expected) in [
        ("old.m4a", &[][..], "m4a files cannot be written"),
        (
            "old.flac",
            &["--sample-format", "float32"],
            "only wav and pcm",
        ),
        ("old.ogg", &["--sample-rate", "44100"], "8000, 12000"),
        ("old.wav", &["--sample-rate", "0"], "8000 to 192000"),
    ] {
        let message = refused(name, &[&HELLO, arguments].concat());
        assert!(message.contains(expected), "{name}: {message}");
    }
}

#[test]
fn a_place_that_cannot_be_written_to_is_noticed_before_the_model_is_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    for (output, reason) in [
        (folder.path().join("no/a.wav"), "folder does not exist"),
        (folder.path().to_owned(), "this is a folder"),
    ] {
        let output = synth(Path::new("no-such-model"), &output)
            .args(HELLO)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(said(&output).contains(reason), "{}", said(&output));
    }
}

#[test]
fn voice_conversion_has_no_use_for_a_text() {
    let folder = tempfile::tempdir().unwrap();
    let output = native("synth", tiny_model())
        .args(["--mode", "vc", "--text", "Hello.", "--source-wav"])
        .arg(prompt_wav())
        .arg("--prompt-wav")
        .arg(prompt_wav())
        .arg("-o")
        .arg(folder.path().join("a.wav"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said(&output).contains("vc has no use for a text"),
        "{}",
        said(&output)
    );
}

#[test]
fn without_a_prompt_the_models_own_voice_speaks_if_it_has_one() {
    let folder = tempfile::tempdir().unwrap();
    let wav = folder.path().join("a.wav");
    let say = |model: &Path| {
        let mut command = native("synth", model);
        command.args(["--text", "It is cold in Moscow.", "-o"]);
        command.arg(&wav).output().unwrap()
    };
    let output = say(voice_model());
    assert!(output.status.success(), "{}", said(&output));
    // Nobody has chosen a prompt, so nothing is said against it.
    assert_eq!(said(&output), "");
    let spoken = native::audio::Waveform::read(&wav).unwrap().samples.len();
    assert!((24_000..72_000).contains(&spoken), "{spoken} samples");

    let output = say(tiny_model());
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said(&output).contains("has no voice of its own"),
        "{}",
        said(&output)
    );
}
