//! Every kind of sound file, held to what libsndfile reads from it (`data/sound/make.py`).

use std::path::{Path, PathBuf};

use native::audio::{SoundFile, Waveform};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/sound")
}

fn expectations() -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(folder().join("expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// CRC-32 as in zip files and Python's zlib, bit by bit.
fn crc32(bytes: impl Iterator<Item = u8>) -> u32 {
    !bytes.fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[test]
fn every_kind_of_file_has_the_samples_that_libsndfile_reads() {
    let expectations = expectations();
    assert!(expectations.len() >= 89);
    for expected in expectations {
        let name = expected["file"].as_str().unwrap();
        let file = SoundFile::open(folder().join(name)).unwrap();
        assert_eq!(expected["channels"], file.channels(), "{name}");
        let wave = Waveform::read(&folder().join(name)).unwrap();
        assert_eq!(expected["rate"], wave.sample_rate, "{name}");
        assert_eq!(expected["samples"], wave.samples.len(), "{name}");
        if let Some(crc) = expected["crc32"].as_u64() {
            // Zeros of either sign are one value.
            let bytes = wave.samples.iter().flat_map(|s| (s + 0.0).to_le_bytes());
            assert_eq!(u64::from(crc32(bytes)), crc, "{name}: other samples");
        } else {
            for probe in expected["probes"].as_array().unwrap() {
                let (at, value) = (probe[0].as_u64().unwrap(), probe[1].as_f64().unwrap());
                let difference = f64::from(wave.samples[at as usize]) - value;
                assert!(difference.abs() < 1e-6, "{name}, {at}: {difference:e}");
            }
        }
    }
}

#[test]
fn a_name_does_not_matter() {
    let dir = tempfile::tempdir().unwrap();
    for name in [
        "flac_pcm_16.flac",
        "mp3_no_tag.mp3",
        "au_alaw.au",
        "opus_stereo.opus",
    ] {
        let there = Waveform::read(&folder().join(name)).unwrap();
        for other in ["sound", "sound.wav", "sound.ogg"] {
            let path = dir.path().join(other);
            std::fs::copy(folder().join(name), &path).unwrap();
            assert_eq!(Waveform::read(&path).unwrap(), there, "{name} as {other}");
        }
    }
}

#[test]
fn a_block_is_small_however_long_the_file() {
    let samples = vec![0.25; 1_000_000];
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("long.wav");
    let wave = Waveform {
        samples,
        sample_rate: 24_000,
    };
    wave.write_f32(&path).unwrap();
    let mut file = SoundFile::open(&path).unwrap();
    let (mut block, mut total) = (Vec::new(), 0);
    while file.read_block(&mut block).unwrap() {
        assert!(block.len() <= 100_000, "{}", block.len());
        total += block.len();
        block.clear();
    }
    assert_eq!(total, 1_000_000);
}

#[cfg(unix)]
#[test]
fn a_pipe_is_read_to_its_end_and_an_endless_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    if !made.is_ok_and(|status| status.success()) {
        println!("SKIPPED: there is no mkfifo here");
        return;
    }
    let wav = std::fs::read(folder().join("wav_pcm_16.wav")).unwrap();
    let there = Waveform::read(&folder().join("wav_pcm_16.wav")).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| std::fs::write(&path, &wav).unwrap());
        assert_eq!(Waveform::read(&path).unwrap(), there);
        // The writer ends with an error when the reader gives up.
        scope.spawn(|| std::fs::write(&path, vec![0; 80 << 20]).unwrap_err());
        let error = Waveform::read(&path).unwrap_err().to_string();
        assert!(error.contains("more than 64 MiB through a pipe"), "{error}");
    });
}
