//! What is written is read back with the engine's own reader.

use native::audio::{SoundFile, resample};
use native::engine::Engine;
use native_encode::{Encoder, FileFormat, FileWriter, Kind, SampleFormat, int16};

/// One and a half seconds of three partials that fade in, with a length that fills no block.
fn tone() -> Vec<f32> {
    let seconds = |i: usize| i as f64 / f64::from(Engine::SAMPLE_RATE);
    (0..36_123)
        .map(|i| {
            let t = seconds(i);
            let partial = |hz: f64| (std::f64::consts::TAU * hz * t).sin();
            let tone = partial(220.0) + 0.5 * partial(660.0) + 0.25 * partial(1980.0);
            (0.4 * t.min(1.0) * tone) as f32
        })
        .collect()
}

fn file(kind: Kind, samples: &[f32], cut: usize) -> Vec<u8> {
    let mut file = std::io::Cursor::new(Vec::new());
    let mut writer = FileWriter::new(&mut file, kind).unwrap();
    for piece in samples.chunks(cut) {
        writer.write(piece).unwrap();
    }
    writer.finish().unwrap();
    file.into_inner()
}

fn stream(kind: Kind, samples: &[f32], cut: usize) -> Vec<u8> {
    let mut encoder = Encoder::new(kind).unwrap();
    let mut bytes = encoder.start();
    for piece in samples.chunks(cut) {
        bytes.extend(encoder.push(piece).unwrap());
    }
    bytes.extend(encoder.finish().unwrap().bytes);
    bytes
}

/// Samples, their rate, and what the reader calls the file.
fn read(bytes: Vec<u8>) -> (Vec<f32>, u32, &'static str) {
    let mut file = SoundFile::from_bytes(bytes, "written").unwrap();
    let mut samples = Vec::new();
    while file.read_block(&mut samples).unwrap() {}
    (samples, file.sample_rate(), file.container())
}

/// By how many dB the sound exceeds its difference from what was read, at the same gain.
fn snr(expected: &[f32], read: &[f32]) -> f64 {
    let square = |x: f32| f64::from(x).powi(2);
    let power: f64 = expected.iter().map(|&x| square(x)).sum();
    let error: f64 = expected
        .iter()
        .zip(read)
        .map(|(&a, &b)| square(a - b))
        .sum();
    10.0 * (power / error).log10()
}

#[test]
fn uncompressed_files_and_flac_have_every_sample() {
    let samples = tone();
    let rounded: Vec<_> = samples
        .iter()
        .map(|&s| f32::from(int16(s)) / 32_768.0)
        .collect();
    for (format, sample_format, expected) in [
        (FileFormat::Wav, SampleFormat::Int16, &rounded),
        (FileFormat::Wav, SampleFormat::Float32, &samples),
        (FileFormat::Flac, SampleFormat::Int16, &rounded),
    ] {
        let kind = Kind {
            samples: sample_format,
            ..Kind::new(format)
        };
        for bytes in [file(kind, &samples, 5000), stream(kind, &samples, 5000)] {
            let (read, rate, container) = read(bytes);
            assert_eq!((rate, container), (24_000, format.name()));
            assert!(read == *expected, "{kind:?}: {} samples", read.len());
        }
    }
}

#[test]
fn flac_of_any_length_has_every_sample() {
    for length in [1, 15, 31, 4095, 4096, 4097, 8192, 8193] {
        let samples: Vec<_> = tone().into_iter().skip(20_000).take(length).collect();
        let (read, ..) = read(file(Kind::new(FileFormat::Flac), &samples, 1000));
        assert_eq!(read.len(), length);
        assert!(snr(&samples, &read) > 60.0, "{length}");
    }
}

#[test]
fn pcm_is_the_samples_alone() {
    let pcm = Kind::new(FileFormat::Pcm);
    assert_eq!(stream(pcm, &[0.5, -1.0], 1), [0, 0x40, 0, 0x80]);
    let float = Kind {
        samples: SampleFormat::Float32,
        ..pcm
    };
    assert_eq!(stream(float, &[0.5], 1), 0.5_f32.to_le_bytes());
}

#[test]
fn opus_begins_and_ends_where_the_sound_does() {
    for rate in [16_000, 24_000, 48_000] {
        let samples = tone();
        let kind = Kind {
            sample_rate: rate,
            ..Kind::new(FileFormat::Opus)
        };
        let (read, read_rate, container) = read(stream(kind, &samples, 777));
        let expected = resample(&samples, 24_000, read_rate);
        assert_eq!(container, "Ogg");
        assert_eq!(read.len(), expected.len(), "{rate} Hz, read at {read_rate}");
        let snr = snr(&expected, &read);
        assert!(snr > 20.0, "{rate} Hz: {snr:.1} dB");
    }
}

#[cfg(feature = "mp3")]
#[test]
fn an_mp3_file_states_where_the_sound_begins_and_ends() {
    for rate in [16_000, 24_000, 44_100] {
        let samples = tone();
        let kind = Kind {
            sample_rate: rate,
            ..Kind::new(FileFormat::Mp3)
        };
        let expected = resample(&samples, 24_000, rate);
        let (read, read_rate, container) = read(file(kind, &samples, 777));
        assert_eq!((read_rate, container), (rate, "mp3"));
        assert_eq!(read.len(), expected.len(), "{rate} Hz");
        let snr = snr(&expected, &read);
        assert!(snr > 20.0, "{rate} Hz: {snr:.1} dB");
    }
}

#[cfg(feature = "mp3")]
#[test]
fn an_mp3_stream_has_all_of_the_sound_after_the_encoders_delay() {
    let samples = tone();
    let (read, ..) = read(stream(Kind::new(FileFormat::Mp3), &samples, 777));
    // The encoder's delay of 576 samples and the decoder's of 529.
    assert!(read.len() >= samples.len() + 1105, "{}", read.len());
    let snr = snr(&samples, &read[1105..]);
    assert!(snr > 20.0, "{snr:.1} dB");
}

#[test]
fn the_bytes_do_not_depend_on_how_the_sound_is_cut() {
    let samples = tone();
    for format in FileFormat::ALL {
        for sample_rate in [24_000, 16_000] {
            let kind = Kind {
                sample_rate,
                ..Kind::new(format)
            };
            if kind.check().is_err() {
                println!("SKIPPED: {format}, which this build does not write");
                continue;
            }
            let [a, b] = [313, 36_123].map(|cut| stream(kind, &samples, cut));
            assert!(a == b, "{format}");
            let [a, b] = [313, 36_123].map(|cut| file(kind, &samples, cut));
            assert!(a == b, "{format}");
        }
    }
}

#[test]
fn a_wav_can_be_played_while_it_grows() {
    let mut file = std::io::Cursor::new(Vec::new());
    let mut writer = FileWriter::new(&mut file, Kind::new(FileFormat::Wav)).unwrap();
    writer.write(&[0.5, 0.25]).unwrap();
    drop(writer);
    assert_eq!(read(file.into_inner()).0, [0.5, 0.25]);
}

#[test]
fn a_sound_without_samples_is_a_file_without_samples() {
    for format in [FileFormat::Wav, FileFormat::Opus] {
        let bytes = stream(Kind::new(format), &[], 1);
        let mut file = SoundFile::from_bytes(bytes, "written").unwrap();
        let mut samples = Vec::new();
        while file.read_block(&mut samples).unwrap() {}
        assert!(samples.is_empty(), "{format}");
    }
}

#[test]
fn what_a_format_cannot_have_is_refused_with_what_it_can() {
    let kind = |format, samples, sample_rate| Kind {
        format,
        samples,
        sample_rate,
    };
    for (kind, expected) in [
        (
            kind(FileFormat::Flac, SampleFormat::Float32, 24_000),
            "only wav and pcm",
        ),
        (
            kind(FileFormat::Opus, SampleFormat::Int16, 44_100),
            "8000, 12000, 16000, 24000, 48000",
        ),
        (kind(FileFormat::Mp3, SampleFormat::Int16, 96_000), "48000"),
        (
            kind(FileFormat::Wav, SampleFormat::Int16, 7999),
            "8000 to 192000",
        ),
        (
            kind(FileFormat::Wav, SampleFormat::Int16, 192_001),
            "8000 to 192000",
        ),
    ] {
        let error = kind.check().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(Encoder::new(kind).is_err());
    }
}

#[test]
fn a_files_name_says_its_format() {
    for (name, format) in [
        ("a.WAV", FileFormat::Wav),
        ("a", FileFormat::Wav),
        ("a.wav.flac", FileFormat::Flac),
        ("a.ogg", FileFormat::Opus),
        ("a.opus", FileFormat::Opus),
        ("a.mp3", FileFormat::Mp3),
        ("a.raw", FileFormat::Pcm),
    ] {
        assert_eq!(
            FileFormat::of_file(name.as_ref()).unwrap(),
            format,
            "{name}"
        );
    }
    let error = FileFormat::of_file("a.m4a".as_ref())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("a.m4a") && error.contains(".flac"),
        "{error}"
    );
}
