//! `parity compare` as the shell sees it: pairs of files and folders, and invalid input.

use std::path::Path;
use std::process::Command;

use hound::{SampleFormat, WavSpec, WavWriter};

fn tone(seconds: f64, rate: u32) -> Vec<f32> {
    (0..(seconds * f64::from(rate)) as usize)
        .map(|i| (0.3 * (std::f64::consts::TAU * 220.0 * i as f64 / f64::from(rate)).sin()) as f32)
        .collect()
}

fn write(path: impl AsRef<Path>, samples: &[f32], rate: u32) {
    let spec = WavSpec {
        channels: 1,
        sample_rate: rate,
        bits_per_sample: 32,
        sample_format: SampleFormat::Float,
    };
    let mut writer = WavWriter::create(path, spec).unwrap();
    samples
        .iter()
        .for_each(|&s| writer.write_sample(s).unwrap());
    writer.finalize().unwrap();
}

/// Exit status and all output.
fn compare(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_parity"))
        .arg("compare")
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    (output.status.code().unwrap(), said)
}

#[test]
fn files_of_a_folder_are_paired_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let sound = tone(0.3, 24_000);
    for name in ["voice_clone_0_0", "voice_clone_0_1"] {
        write(dir.path().join(format!("{name}.wav")), &sound, 24_000);
        let native = dir.path().join(format!("native_{name}.wav"));
        write(native, &sound, 24_000);
    }
    let (exit, said) = compare(dir.path(), &[".", "--html", "page.html"]);
    assert_eq!(exit, 0, "{said}");
    assert!(said.contains("2 pair(s) compared, 0 file(s)"), "{said}");
    let page = std::fs::read_to_string(dir.path().join("page.html")).unwrap();
    assert!(page.contains("2 pairs of sounds") && page.contains("mel-cepstral distortion"));
    assert!(page.contains("Range: 0 to ∞ cents; lower is better."));
    // What a case's page shows: both mels on a time axis, and the fundamental frequency.
    assert_eq!(page.matches("alt=\"Mel of the reference\"").count(), 2);
    assert_eq!(page.matches("<h3>Fundamental frequency</h3>").count(), 2);
}

#[test]
fn a_file_without_a_partner_is_listed_and_never_green() {
    let dir = tempfile::tempdir().unwrap();
    for folder in ["a", "b"] {
        std::fs::create_dir(dir.path().join(folder)).unwrap();
        let sound = tone(0.3, 24_000);
        write(dir.path().join(folder).join("one.wav"), &sound, 24_000);
    }
    let (exit, said) = compare(dir.path(), &["a", "b"]);
    assert_eq!(exit, 0, "{said}");
    write(dir.path().join("a/two.wav"), &[0.5; 100], 24_000);
    write(dir.path().join("b/native_three.wav"), &[0.5; 100], 24_000);
    let (exit, said) = compare(dir.path(), &["a", "b"]);
    assert_eq!(exit, 2, "{said}");
    assert!(said.contains("a/two.wav: there is no two.wav or native_two.wav"));
    assert!(said.contains("b/native_three.wav: there is no three.wav"));
    let (exit, json) = compare(dir.path(), &["a", "b", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((exit, json["unpaired"].as_array().unwrap().len()), (2, 2));
    assert_eq!(json["pairs"][0]["diff"]["measures"]["mel_cepstral"], 0.0);
}

#[test]
fn an_empty_folder_and_an_empty_sound_are_nothing_compared() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("empty")).unwrap();
    let (exit, said) = compare(dir.path(), &["empty"]);
    assert_eq!(exit, 4, "{said}");
    assert!(said.contains("0 pair(s) compared"));
    write(dir.path().join("empty.wav"), &[], 24_000);
    assert_eq!(compare(dir.path(), &["empty.wav", "empty.wav"]).0, 4);
}

#[test]
fn other_rates_and_lengths_are_noted_and_compared() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path().join("a.wav"), &tone(1.0, 24_000), 24_000);
    write(dir.path().join("b.wav"), &tone(0.8, 48_000), 48_000);
    let (exit, said) = compare(dir.path(), &["a.wav", "b.wav"]);
    assert_eq!(exit, 0, "{said}");
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        said.contains("b.wav was converted from 48000 to 24000 Hz"),
        "{said}"
    );
    assert!(said.contains("the lengths differ: the shorter side is padded with silence"));
}

#[test]
fn invalid_input_is_an_error_that_names_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    write(path("good.wav"), &tone(0.1, 24_000), 24_000);
    write(path("seven.wav"), &tone(1.0, 7), 7);
    write(path("nan.wav"), &[0.5, 0.5, f32::NAN, f32::INFINITY], 8_000);
    std::fs::write(path("text.wav"), "no sound at all").unwrap();
    std::fs::create_dir(path("folder")).unwrap();
    for (arguments, words) in [
        (
            &["good.wav", "seven.wav"][..],
            "seven.wav: unsupported sampling rate of 7 Hz",
        ),
        (&["text.wav", "good.wav"], "text.wav: not a wav"),
        (
            &["nan.wav", "nan.wav"],
            "nan.wav: 2 of its samples are not finite numbers, the first 0.000 s",
        ),
        (&["good.wav", "nan.wav"], "nan.wav: 2 of its samples"),
        (&["good.wav", "/dev/zero"], "neither a regular file"),
        (&["good.wav"], "give a second file"),
        (&["good.wav", "folder"], "give two files or two folders"),
        (&["folder", "nowhere"], "give two files or two folders"),
    ] {
        let (exit, said) = compare(dir.path(), arguments);
        assert_eq!(exit, 1, "{arguments:?}: {said}");
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(words), "{words:?} is not in: {said}");
    }
    write(path("native_text.wav"), &tone(0.1, 24_000), 24_000);
    let (exit, said) = compare(dir.path(), &["."]);
    assert_eq!(exit, 1, "{said}");
    assert!(said.contains("not readable: ./text.wav"), "{said}");
}

#[test]
fn every_file_that_the_engine_reads_can_be_compared() {
    let dir = tempfile::tempdir().unwrap();
    let sounds = crate::model::workspace().join("native/tests/data/sound");
    let copy = |name: &str| std::fs::copy(sounds.join(name), dir.path().join(name)).unwrap();
    let files = [
        "wav_pcm_16.wav",
        "wav_double.wav",
        "wav_ms_adpcm.wav",
        "aiff_pcm_24.aiff",
        "flac_pcm_16.flac",
        "ogg_vorbis.ogg",
    ];
    for name in files {
        copy(name);
    }
    for name in files {
        let (exit, said) = compare(dir.path(), &[files[0], name]);
        assert_eq!(exit, 0, "{said}");
    }
    for (one, other) in [
        ("mp3_tagged.mp3", "mp3_cut_on_a_frame.mp3"),
        ("opus_voice_16k.opus", "opus_end_cut.opus"),
    ] {
        copy(one);
        copy(other);
        let (exit, said) = compare(dir.path(), &[one, other]);
        assert_eq!(exit, 0, "{said}");
        assert!(said.contains(one), "{said}");
    }
}

#[test]
fn streamed_and_truncated_files_are_compared_by_what_they_hold() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    write(path("whole.wav"), &tone(0.4, 24_000), 24_000);
    let whole = std::fs::read(path("whole.wav")).unwrap();
    std::fs::write(path("truncated.wav"), &whole[..whole.len() / 2]).unwrap();
    let mut streamed = whole.clone();
    streamed[4..8].fill(0xff);
    let data = whole.windows(4).position(|w| w == b"data").unwrap();
    streamed[data + 4..data + 8].fill(0xff);
    std::fs::write(path("streamed.wav"), streamed).unwrap();
    let (exit, said) = compare(dir.path(), &["whole.wav", "streamed.wav"]);
    assert_eq!(exit, 0, "{said}");
    assert!(!said.contains("lengths differ"), "{said}");
    let (exit, said) = compare(dir.path(), &["whole.wav", "truncated.wav"]);
    assert_eq!(exit, 0, "{said}");
    assert!(said.contains("lengths differ"), "{said}");
}
