//! The worst moment of a sound, which an average over all of it hides.

use super::spectrum::MELS;

/// Frames of a window: half a second, about a short word.
const FRAMES: usize = 25;
/// Seconds of a window.
pub const SECONDS: f64 = FRAMES as f64 / FRAMES_A_SECOND;
/// Frames in a second.
const FRAMES_A_SECOND: f64 = 50.0;
/// What lies so far below the reference's loudest channel is not heard, in dB.
const AUDIBLE_DB: f32 = 60.0;

/// The window of two sounds in which they are furthest apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// Mean distance of its frames in dB.
    pub distance: f64,
    /// Where it begins, in seconds.
    pub start: f64,
}

/// The worst window of two log-mels in dB, whose frames are compared as they stand: sounds of the same
/// tokens keep the same time. The shorter one is silent where it has ended. None if both are empty.
pub fn worst(reference: &[[f32; MELS]], candidate: &[[f32; MELS]]) -> Option<Window> {
    let loudest = reference.iter().flatten().copied();
    let floor = loudest.fold(f32::NEG_INFINITY, f32::max) - AUDIBLE_DB;
    let silence = [f32::NEG_INFINITY; MELS];
    let count = reference.len().max(candidate.len());
    let distances: Vec<f64> = (0..count)
        .map(|at| {
            let frame = |frames: &[[f32; MELS]]| frames.get(at).copied().unwrap_or(silence);
            distance(&frame(reference), &frame(candidate), floor)
        })
        .collect();
    let length = FRAMES.min(count);
    if length == 0 {
        return None;
    }
    let mean = |frames: &[f64]| frames.iter().sum::<f64>() / length as f64;
    let means = distances.windows(length).map(mean).enumerate();
    // The first of equals.
    let worse = |a: (usize, f64), b: (usize, f64)| if b.1 > a.1 { b } else { a };
    let (at, distance) = means.reduce(worse)?;
    Some(Window {
        distance,
        start: at as f64 / FRAMES_A_SECOND,
    })
}

/// RMS difference of the channels above the floor.
fn distance(reference: &[f32; MELS], candidate: &[f32; MELS], floor: f32) -> f64 {
    let pairs = reference.iter().zip(candidate);
    let squares = pairs.map(|(r, c)| f64::from(c.max(floor) - r.max(floor)).powi(2));
    (squares.sum::<f64>() / MELS as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(levels: impl IntoIterator<Item = f32>) -> Vec<[f32; MELS]> {
        levels.into_iter().map(|level| [level; MELS]).collect()
    }

    #[test]
    fn a_lost_word_weighs_the_same_in_a_sound_of_any_length() {
        for count in [100, 1_000] {
            let reference = frames((0..count).map(|_| -20.0));
            let mut candidate = reference.clone();
            candidate[40..65].fill([-45.0; MELS]);
            let found = worst(&reference, &candidate).unwrap();
            assert_eq!((found.distance, found.start), (25.0, 0.8));
        }
    }

    #[test]
    fn half_of_a_window_counts_half() {
        let reference = frames((0..50).map(|_| 0.0));
        let mut candidate = reference.clone();
        candidate[..5].fill([10.0; MELS]);
        let found = worst(&reference, &candidate).unwrap();
        assert_eq!((found.distance, found.start), (2.0, 0.0));
    }

    #[test]
    fn what_is_not_heard_is_no_distance() {
        let loud = |quiet: f32| frames([0.0, quiet, quiet, quiet]);
        assert_eq!(worst(&loud(-61.0), &loud(-90.0)).unwrap().distance, 0.0);
        assert!(worst(&loud(-50.0), &loud(-90.0)).unwrap().distance > 7.0);
    }

    #[test]
    fn the_shorter_sound_is_silent_where_it_has_ended() {
        let (long, short) = (frames([0.0; 60]), frames([0.0; 35]));
        for (r, c) in [(&long, &short), (&short, &long)] {
            let found = worst(r, c).unwrap();
            assert_eq!((found.distance, found.start), (60.0, 0.7));
        }
        assert_eq!(worst(&[], &[]), None);
        assert!(worst(&[], &long).unwrap().distance > 0.0);
    }
}
