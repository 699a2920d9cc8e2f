//! Flac and mp3 files, decoded by symphonia.

use std::io::Cursor;

use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::errors::Error as Symphonia;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;

use super::interleaved::Interleaved;

/// Whether `bytes` begin like a flac or mp3 file.
pub fn is_supported(bytes: &[u8]) -> bool {
    // An mp3 stream without tags begins with eleven set bits.
    let frame_sync = matches!(bytes, [0xff, second, ..] if second & 0xe0 == 0xe0);
    bytes.starts_with(b"fLaC") || bytes.starts_with(b"ID3") || frame_sync
}

/// Reads a whole flac or mp3 file; `extension` helps to recognise the format.
///
/// # Errors
///
/// What is wrong with the file, without its name.
pub fn decode(bytes: Vec<u8>, extension: Option<&str>) -> Result<Interleaved, String> {
    let mut hint = Hint::new();
    if let Some(extension) = extension {
        hint.with_extension(extension);
    }
    let stream = MediaSourceStream::new(Box::new(Cursor::new(bytes)), Default::default());
    let damaged = |e: Symphonia| format!("cannot be decoded: {e}");
    let mut format = symphonia::default::get_probe()
        .probe(
            &hint,
            stream,
            FormatOptions::default(),
            MetadataOptions::default(),
        )
        .map_err(damaged)?;
    let track = format
        .default_track(TrackType::Audio)
        .ok_or("contains no audio track")?;
    let track_id = track.id;
    let parameters = track
        .codec_params
        .as_ref()
        .and_then(|parameters| parameters.audio())
        .ok_or("contains no audio track")?;
    let mut decoder = symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &AudioDecoderOptions::default())
        .map_err(damaged)?;

    let mut sound = Interleaved {
        samples: Vec::new(),
        channels: 0,
        sample_rate: 0,
    };
    let mut packet_samples = Vec::<f32>::new();
    while let Some(packet) = format.next_packet().map_err(damaged)? {
        if packet.track_id != track_id {
            continue;
        }
        let decoded = decoder.decode(&packet).map_err(damaged)?;
        let (channels, rate) = (decoded.num_planes(), decoded.spec().rate());
        if sound.channels == 0 {
            (sound.channels, sound.sample_rate) = (channels, rate);
        } else if (channels, rate) != (sound.channels, sound.sample_rate) {
            return Err("changes its sample rate or number of channels midway".to_owned());
        }
        decoded.copy_to_vec_interleaved(&mut packet_samples);
        sound.samples.extend_from_slice(&packet_samples);
    }
    if sound.channels == 0 {
        return Err("contains no samples".to_owned());
    }
    Ok(sound)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::test_signals::noise;

    /// 100 frames of the test noise, two channels, 44.1 kHz, 16 bits; written by libsndfile.
    const FLAC: &[u8] = include_bytes!("testdata/noise_stereo_16.flac");
    /// 3000 samples of a 1 kHz sine at 24 kHz; written by libsndfile (LAME).
    const MP3: &[u8] = include_bytes!("testdata/sine_1khz.mp3");

    #[test]
    fn flac_is_lossless() {
        let sound = decode(FLAC.to_vec(), Some("flac")).unwrap();
        assert_eq!((sound.channels, sound.sample_rate), (2, 44_100));
        assert_eq!(sound.samples, noise(200));
    }

    #[test]
    fn mp3_matches_libsndfile() {
        let sound = decode(MP3.to_vec(), Some("mp3")).unwrap();
        assert_eq!((sound.channels, sound.sample_rate), (1, 24_000));
        // Without the encoder's delay and padding.
        assert_eq!(sound.samples.len(), 3000);
        let expected = [
            (0, -0.007_879_082),
            (100, 0.432_797_64),
            (1500, -0.018_539_41),
            (2500, 0.429_071_93),
            (2999, -0.127_323_4),
        ];
        for (at, value) in expected {
            let difference: f32 = sound.samples[at] - value;
            assert!(difference.abs() < 1e-6, "sample {at}: {difference:e}");
        }
    }

    #[test]
    fn a_wrong_or_missing_extension_is_no_obstacle() {
        assert!(is_supported(FLAC) && is_supported(MP3));
        assert_eq!(
            decode(FLAC.to_vec(), Some("mp3")).unwrap().samples.len(),
            200
        );
        assert_eq!(decode(MP3.to_vec(), None).unwrap().samples.len(), 3000);
    }

    #[test]
    fn a_truncated_file_is_an_error_or_a_shorter_sound() {
        for length in 0..FLAC.len() {
            assert!(
                decode(FLAC[..length].to_vec(), None).is_err(),
                "{length} bytes"
            );
        }
        for length in 0..MP3.len() {
            if let Ok(sound) = decode(MP3[..length].to_vec(), None) {
                assert!(sound.samples.len() <= 3000);
            }
        }
    }
}
