use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use flacenc::bitsink::ByteSink;
use flacenc::component::BitRepr as _;
use flacenc::error::Verify as _;
use flacenc::source::MemSource;

use crate::report::model::Sound;

/// Step, in seconds, of the search for the excerpt that differs most.
const HOP_SECONDS: f64 = 0.1;

impl Sound {
    /// Encodes the sounds of both sides at `rate`, or the `longest` seconds in which they differ
    /// most. None if both are empty.
    pub fn new(reference: &[f32], candidate: &[f32], rate: u32, longest: f64) -> Option<Self> {
        let whole = reference.len().max(candidate.len());
        if whole == 0 || rate == 0 {
            return None;
        }
        let samples = whole.min((longest * f64::from(rate)).ceil().max(1.0) as usize);
        let hop = ((HOP_SECONDS * f64::from(rate)) as usize).max(1);
        let start = worst_excerpt(reference, candidate, samples, hop);
        let at = |side: &[f32], i: usize| pcm(side.get(i).copied().unwrap_or(0.0));
        let interleaved: Vec<i32> = (start..start + samples)
            .flat_map(|i| [at(reference, i), at(candidate, i)])
            .collect();
        Some(Self {
            rate,
            reference_samples: reference.len(),
            candidate_samples: candidate.len(),
            start,
            samples,
            flac: BASE64.encode(flac(interleaved, rate)?),
        })
    }
}

/// To 16 bit. The cast saturates, and turns NaN into silence.
fn pcm(sample: f32) -> i32 {
    i32::from((sample * 32767.0).round() as i16)
}

/// A FLAC file padded with silence to whole blocks: decoders disagree on a shorter last block.
fn flac(mut interleaved: Vec<i32>, rate: u32) -> Option<Vec<u8>> {
    let config = flacenc::config::Encoder::default().into_verified().ok()?;
    let block = 2 * config.block_size;
    interleaved.resize(interleaved.len().next_multiple_of(block), 0);
    let source = MemSource::from_samples(&interleaved, 2, 16, usize::try_from(rate).ok()?);
    let stream = flacenc::encode_with_fixed_block_size(&config, source, config.block_size).ok()?;
    let mut sink = ByteSink::new();
    stream.write(&mut sink).ok()?;
    Some(sink.as_slice().to_vec())
}

/// The start of the excerpt of `samples` samples with the largest energy of the difference.
fn worst_excerpt(reference: &[f32], candidate: &[f32], samples: usize, hop: usize) -> usize {
    let whole = reference.len().max(candidate.len());
    let at = |side: &[f32], i: usize| side.get(i).copied().unwrap_or(0.0);
    // The energy of all samples before an excerpt's first, and before its end, for each excerpt.
    let starts = (whole - samples) / hop + 1;
    let (mut before, mut until) = (Vec::with_capacity(starts), Vec::with_capacity(starts));
    let mut total = 0.0;
    for i in 0..=whole {
        if i.is_multiple_of(hop) && before.len() < starts {
            before.push(total);
        }
        if i >= samples && (i - samples).is_multiple_of(hop) && until.len() < starts {
            until.push(total);
        }
        if i < whole {
            let difference = f64::from(at(candidate, i) - at(reference, i));
            total += if difference.is_finite() {
                difference * difference
            } else {
                1.0
            };
        }
    }
    let energy = |start: usize| until[start] - before[start];
    // The first of equals, so that sounds that agree start at their beginning.
    let best = (0..starts).fold(0, |best, start| {
        if energy(start) > energy(best) {
            start
        } else {
            best
        }
    });
    best * hop
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use parity_fixture::testing::white_noise;
    use symphonia::core::formats::TrackType;
    use symphonia::core::io::MediaSourceStream;

    use super::*;

    /// Decoded by an independent FLAC decoder: left, right, left …
    fn decoded(sound: &Sound) -> Vec<i32> {
        let bytes = BASE64.decode(&sound.flac).unwrap();
        let stream = MediaSourceStream::new(Box::new(Cursor::new(bytes)), Default::default());
        let (hint, format, metadata) = Default::default();
        let probe = symphonia::default::get_probe();
        let mut file = probe.probe(&hint, stream, format, metadata).unwrap();
        let track = file.default_track(TrackType::Audio).unwrap();
        let parameters = track.codec_params.as_ref().unwrap().audio().unwrap();
        let codecs = symphonia::default::get_codecs();
        let mut decoder = codecs
            .make_audio_decoder(parameters, &Default::default())
            .unwrap();
        let (mut samples, mut packet_samples) = (Vec::new(), Vec::<i16>::new());
        while let Some(packet) = file.next_packet().unwrap() {
            let decoded = decoder.decode(&packet).unwrap();
            decoded.copy_to_vec_interleaved(&mut packet_samples);
            samples.extend(packet_samples.iter().map(|&s| i32::from(s)));
        }
        samples
    }

    fn noise(n: usize) -> Vec<f32> {
        let noise = white_noise(n, 1).into_iter().enumerate();
        noise
            .map(|(i, x)| 0.4 * (i as f32 * 0.05).sin() + (x + 0.5) * 0.1)
            .collect()
    }

    #[test]
    fn both_sides_play_back_to_the_bit_of_16() {
        let (r, c) = (noise(10_000), noise(9_000));
        let sound = Sound::new(&r, &c, 24_000, 60.0).unwrap();
        assert_eq!((sound.start, sound.samples), (0, 10_000));
        let expected: Vec<i32> = (0..10_000)
            .flat_map(|i| [pcm(r[i]), c.get(i).map_or(0, |&x| pcm(x))])
            .collect();
        let decoded = decoded(&sound);
        assert_eq!(decoded[..expected.len()], expected);
        assert!(decoded[expected.len()..].iter().all(|&s| s == 0));
    }

    #[test]
    fn samples_out_of_range_saturate_and_nan_is_silence() {
        let sound = Sound::new(&[0.0, 0.5, -1.0, 2.0, f32::NAN], &[], 24_000, 60.0).unwrap();
        let left: Vec<i32> = decoded(&sound).chunks(2).map(|s| s[0]).collect();
        assert_eq!(left[..5], [0, 16384, -32767, 32767, 0]);
        assert_eq!(Sound::new(&[], &[], 24_000, 60.0), None);
    }

    #[test]
    fn a_long_sound_is_cut_to_the_excerpt_that_differs_most() {
        let r = noise(48_000);
        let mut c = r.clone();
        c[40_000] += 0.3;
        let sound = Sound::new(&r, &c, 24_000, 0.5).unwrap();
        assert_eq!(sound.samples, 12_000);
        assert!((sound.start..sound.start + sound.samples).contains(&40_000));
        assert_eq!(Sound::new(&r, &r, 24_000, 0.5).unwrap().start, 0);
    }

    #[test]
    fn a_candidate_close_to_the_reference_costs_little() {
        let r = noise(24_000);
        let c: Vec<f32> = r.iter().map(|x| x * 1.001).collect();
        let size = |r: &[f32], c: &[f32]| Sound::new(r, c, 24_000, 9.0).unwrap().flac.len();
        assert!(size(&r, &c) * 3 < size(&r, &[]) * 4);
    }
}
