//! Two sounds of different lengths along their best alignment: where one waits for the other, it is
//! silent, so that nothing is stretched.

use crate::diff::align::dtw;
use crate::diff::spectrum::log_mel;

/// Seconds up to which sounds are aligned: the table of the alignment grows with the product of both
/// lengths.
const LONGEST_SECONDS: usize = 60;
/// Frames of a second of mel.
const FRAMES: usize = 50;

/// Both sides with silence where they wait. None if they are of the same length, or too long, or one
/// of them is empty or not finite.
pub(super) fn with_waits(
    reference: &[f32],
    candidate: &[f32],
    rate: u32,
) -> Option<(Vec<f32>, Vec<f32>)> {
    let rate_samples = usize::try_from(rate).ok()?;
    let hop = (rate_samples / FRAMES).max(1);
    let (n, m) = (reference.len(), candidate.len());
    let finite = |side: &[f32]| side.iter().all(|x| x.is_finite());
    let usable = n != m && n > 0 && m > 0 && n.max(m) <= LONGEST_SECONDS * rate_samples;
    if !usable || !finite(reference) || !finite(candidate) {
        return None;
    }
    let path = dtw(&log_mel(reference, rate), &log_mel(candidate, rate))?.pairs;
    let (mut r, mut c) = (Vec::new(), Vec::new());
    let mut before = None;
    for (i, j) in path {
        let (last_i, last_j) = before.unwrap_or((usize::MAX, usize::MAX));
        advance(&mut r, reference, (i != last_i).then_some(i), hop);
        advance(&mut c, candidate, (j != last_j).then_some(j), hop);
        before = Some((i, j));
    }
    Some((r, c))
}

/// Adds the samples of a frame, or as much silence.
fn advance(out: &mut Vec<f32>, side: &[f32], frame: Option<usize>, hop: usize) {
    let end = out.len() + hop;
    if let Some(frame) = frame {
        let samples = side.iter().skip(frame * hop).take(hop);
        out.extend(samples);
    }
    out.resize(end, 0.0);
}

#[cfg(test)]
mod tests {
    use parity_fixture::testing::white_noise;

    use super::*;

    const RATE: u32 = 24_000;

    /// Tones of a tenth of a second, each of its own pitch.
    fn melody(notes: &[f32]) -> Vec<f32> {
        let tone = |(i, hz): (usize, &f32)| {
            let noise = white_noise(2400, i as u32 + 1);
            let at = move |(n, noise): (usize, f32)| {
                (n as f32 * hz * std::f32::consts::TAU / RATE as f32).sin() * 0.5 + 0.01 * noise
            };
            noise.into_iter().enumerate().map(at).collect::<Vec<_>>()
        };
        notes.iter().enumerate().flat_map(tone).collect()
    }

    #[test]
    fn what_was_put_in_between_is_silence_on_the_other_side() {
        let short = melody(&[300.0, 900.0, 2000.0]);
        let middle = melody(&[5000.0]);
        let (before, after) = short.split_at(4800);
        let long = [before, &middle, after].concat();
        let (r, c) = with_waits(&short, &long, RATE).unwrap();
        assert_eq!(r.len(), c.len());
        let silent = r.iter().filter(|x| **x == 0.0).count();
        assert!((1900..=2900).contains(&silent), "{silent}");
        // No sample is lost or stretched on the longer side.
        assert_eq!(c[..long.len()], long);
    }

    #[test]
    fn sounds_of_one_length_and_sounds_without_any_are_not_aligned() {
        let sound = melody(&[300.0]);
        assert!(with_waits(&sound, &sound, RATE).is_none());
        assert!(with_waits(&sound, &[], RATE).is_none());
        assert!(with_waits(&sound, &[f32::NAN], RATE).is_none());
    }
}
