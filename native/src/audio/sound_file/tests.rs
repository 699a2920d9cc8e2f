use super::*;
use crate::audio::test_signals::noise;

const PCM: u16 = 1;
const IEEE_FLOAT: u16 = 3;
const EXTENSIBLE: u16 = 0xfffe;

/// 100 frames of the test noise, two channels, 44.1 kHz, 16 bits; written by libsndfile.
const FLAC: &[u8] = include_bytes!("../testdata/noise_stereo_16.flac");
/// 3000 samples of a 1 kHz sine at 24 kHz; written by libsndfile (LAME).
const MP3: &[u8] = include_bytes!("../testdata/sine_1khz.mp3");

/// All channels of a file, and their number and rate.
fn decode(bytes: &[u8]) -> std::result::Result<(Vec<f32>, usize, u32), String> {
    let (format, mut decoder) = open(Source::from(bytes.to_vec()), None)?;
    let mut samples = Vec::new();
    while decoder.next(&mut samples)? {}
    Ok((samples, format.channels, format.sample_rate))
}

/// A wav file of one format chunk, and one data chunk whose header states `length`.
fn wav(tag: u16, channels: u16, bits: u16, data: &[u8], length: u32) -> Vec<u8> {
    let block = channels * bits / 8;
    let mut file = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0".to_vec();
    file.extend(tag.to_le_bytes());
    file.extend(channels.to_le_bytes());
    file.extend(22_050_u32.to_le_bytes());
    file.extend((22_050 * u32::from(block)).to_le_bytes());
    file.extend(block.to_le_bytes());
    file.extend(bits.to_le_bytes());
    file.extend(b"data");
    file.extend(length.to_le_bytes());
    file.extend(data);
    file
}

fn samples(tag: u16, bits: u16, data: &[u8]) -> Vec<f32> {
    decode(&wav(tag, 1, bits, data, data.len() as u32))
        .unwrap()
        .0
}

#[test]
fn integers_are_scaled_as_libsndfile_scales_them() {
    assert_eq!(samples(PCM, 8, &[0, 128, 255]), [-1.0, 0.0, 127.0 / 128.0]);
    assert_eq!(samples(PCM, 16, &[0, 0x80, 1, 0]), [-1.0, 1.0 / 32_768.0]);
    let sample = 1.0 / 8_388_608.0;
    assert_eq!(
        samples(PCM, 24, &[0, 0, 0x80, 0xff, 0xff, 0xff]),
        [-1.0, -sample]
    );
    // The largest 32-bit sample rounds up to full scale.
    assert_eq!(
        samples(PCM, 32, &[0, 0, 0, 0x80, 0xff, 0xff, 0xff, 0x7f]),
        [-1.0, 1.0]
    );
}

#[test]
fn floats_are_read_unchanged() {
    assert_eq!(samples(IEEE_FLOAT, 32, &1.5_f32.to_le_bytes()), [1.5]);
    assert_eq!(samples(IEEE_FLOAT, 64, &0.1_f64.to_le_bytes()), [0.1_f32]);
}

#[test]
fn the_extensible_formats_real_tag_is_used() {
    let mut file = wav(EXTENSIBLE, 2, 16, &[], 0);
    file.truncate(36);
    file[16] = 40;
    file.extend([22, 0, 16, 0, 3, 0, 0, 0, 1, 0]);
    file.extend([0; 14]);
    file.extend(b"data\x04\0\0\0\x00\x40\x00\xc0");
    assert_eq!(decode(&file), Ok((vec![0.5, -0.5], 2, 22_050)));
}

#[test]
fn a_missing_data_length_means_the_rest_of_the_file() {
    let (samples, ..) = decode(&wav(PCM, 1, 16, &[0, 0x40, 0, 0x20], u32::MAX)).unwrap();
    assert_eq!(samples, [0.5, 0.25]);
}

#[test]
fn truncated_data_ends_with_the_last_complete_frame() {
    let data = [0, 0x40, 0, 0x20, 0, 0x10, 7];
    let (samples, ..) = decode(&wav(PCM, 2, 16, &data, 400)).unwrap();
    assert_eq!(samples, [0.5, 0.25]);
}

#[test]
fn chunks_of_other_kinds_are_skipped_with_their_padding() {
    let mut file = wav(PCM, 1, 16, &[0, 0x40], 2);
    file.splice(36..36, *b"LIST\x05\0\0\0INFOx\0");
    file.extend(b"LIST\x04\0\0\0INFO");
    assert_eq!(decode(&file).unwrap().0, [0.5]);
}

#[test]
fn a_header_truncated_anywhere_is_an_error() {
    let file = wav(PCM, 1, 16, &[0, 0x40], 2);
    for length in 4..44 {
        let reason = decode(&file[..length]).unwrap_err();
        assert!(
            reason.contains("truncated") || reason.contains("no data"),
            "{reason}"
        );
    }
}

#[test]
fn an_unreadable_file_is_refused_with_the_reason() {
    const GSM: u16 = 0x31;
    let message = |file: &[u8]| decode(file).unwrap_err();
    assert!(message(&wav(GSM, 1, 8, &[0], 1)).contains("convert it"));
    assert!(message(&wav(PCM, 1, 64, &[0], 1)).contains("64 bits"));
    assert!(message(&wav(PCM, 0, 16, &[0], 1)).contains("no channels"));
    let mut file = wav(PCM, 1, 16, &[0, 0x40], 2);
    file.drain(12..36);
    assert!(message(&file).contains("before its format chunk"));
}

#[test]
fn flac_is_lossless() {
    assert_eq!(decode(FLAC), Ok((noise(200), 2, 44_100)));
}

#[test]
fn mp3_matches_libsndfile() {
    let (samples, channels, rate) = decode(MP3).unwrap();
    assert_eq!((channels, rate), (1, 24_000));
    // Without the encoder's delay and padding.
    assert_eq!(samples.len(), 3000);
    let expected = [
        (0, -0.007_879_082),
        (100, 0.432_797_64),
        (1500, -0.018_539_41),
        (2500, 0.429_071_93),
        (2999, -0.127_323_4),
    ];
    for (at, value) in expected {
        let difference: f32 = samples[at] - value;
        assert!(difference.abs() < 1e-6, "sample {at}: {difference:e}");
    }
}

#[test]
fn a_truncated_file_is_an_error_or_a_shorter_sound() {
    for length in 0..FLAC.len() {
        assert!(decode(&FLAC[..length]).is_err(), "{length} bytes");
    }
    for length in 0..MP3.len() {
        if let Ok((samples, ..)) = decode(&MP3[..length]) {
            assert!(samples.len() <= 3000);
        }
    }
}
