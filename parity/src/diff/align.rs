//! Alignment in time by dynamic time warping.

use super::spectrum::MELS;

/// How far the path may stray from the straight line, in frames, beyond the difference in length.
const BAND: usize = 500;
/// The difference in length for which the band is widened, in frames: that of 30 s. What one side of
/// a long sound lacks cannot cost a table of all frames by all frames.
const LONGEST_SHIFT: usize = 1500;

/// The cheapest alignment of two sequences of frames.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// Aligned frames of the reference and the candidate, from (0, 0) to the last ones.
    pub pairs: Vec<(usize, usize)>,
    /// Mean cost of a pair.
    pub cost: f64,
    /// Mean distance of the pairs from the straight line between the corners, in frames of the
    /// candidate.
    pub deviation: f64,
}

/// Aligns log-mel frames by the RMS difference of their channels (Sakoe and Chiba 1978, steps of
/// one frame on either side or both). `None` if one side has no frames.
pub fn dtw(reference: &[[f32; MELS]], candidate: &[[f32; MELS]]) -> Option<Path> {
    let (n, m) = (reference.len(), candidate.len());
    if n == 0 || m == 0 {
        return None;
    }
    let slope = (m - 1) as f64 / (n - 1).max(1) as f64;
    let straight = |i: usize| {
        if n == 1 {
            (m - 1) as f64 / 2.0
        } else {
            i as f64 * slope
        }
    };
    // Each row of the table is a window around the straight line; neighbouring windows overlap.
    let radius = BAND + n.abs_diff(m).min(LONGEST_SHIFT.max(slope.ceil() as usize));
    let from = |i: usize| (straight(i) as usize).saturating_sub(radius);
    let until = |i: usize| (straight(i).ceil() as usize + radius + 1).min(m);
    let mut above: Vec<f64> = Vec::new();
    let mut moves: Vec<Moves> = Vec::with_capacity(n);
    for (i, frame) in reference.iter().enumerate() {
        let window = from(i)..until(i);
        let mut row = Vec::with_capacity(window.len());
        let mut row_moves = Moves::with_capacity(window.len());
        for j in window.clone() {
            let before = |row: &[f64], start: usize, j: Option<usize>| {
                let at = j.and_then(|j| j.checked_sub(start));
                at.and_then(|at| row.get(at))
                    .copied()
                    .unwrap_or(f64::INFINITY)
            };
            let start_above = if i > 0 { from(i - 1) } else { 0 };
            let ways = [
                (before(&above, start_above, j.checked_sub(1)), Move::Both),
                (before(&above, start_above, Some(j)), Move::Reference),
                (
                    before(&row, window.start, j.checked_sub(1)),
                    Move::Candidate,
                ),
            ];
            let best = ways
                .into_iter()
                .fold(ways[0], |x, y| if y.0 < x.0 { y } else { x });
            let so_far = if (i, j) == (0, 0) { 0.0 } else { best.0 };
            row.push(so_far + distance(frame, &candidate[j]));
            row_moves.push(best.1);
        }
        above = row;
        moves.push(row_moves);
    }
    let (mut i, mut j) = (n - 1, m - 1);
    let total = above[j - from(i)];
    let mut pairs = vec![(i, j)];
    while (i, j) != (0, 0) {
        let step = moves[i].get(j - from(i));
        i -= usize::from(step != Move::Candidate);
        j -= usize::from(step != Move::Reference);
        pairs.push((i, j));
    }
    pairs.reverse();
    let count = pairs.len() as f64;
    let deviation = pairs
        .iter()
        .map(|&(i, j)| (j as f64 - straight(i)).abs())
        .sum::<f64>()
        / count;
    Some(Path {
        cost: total / count,
        deviation,
        pairs,
    })
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Move {
    Both,
    Reference,
    Candidate,
}

/// The moves of one row, four in a byte: an hour of sound has 180 million.
struct Moves {
    packed: Vec<u8>,
    count: usize,
}

impl Moves {
    fn with_capacity(moves: usize) -> Self {
        Self {
            packed: Vec::with_capacity(moves.div_ceil(4)),
            count: 0,
        }
    }

    fn push(&mut self, step: Move) {
        let shift = self.count % 4 * 2;
        if shift == 0 {
            self.packed.push(0);
        }
        if let Some(last) = self.packed.last_mut() {
            *last |= (step as u8) << shift;
        }
        self.count += 1;
    }

    fn get(&self, at: usize) -> Move {
        match self.packed[at / 4] >> (at % 4 * 2) & 3 {
            0 => Move::Both,
            1 => Move::Reference,
            _ => Move::Candidate,
        }
    }
}

fn distance(a: &[f32; MELS], b: &[f32; MELS]) -> f64 {
    let sum: f64 = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    (sum / MELS as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(levels: &[f32]) -> Vec<[f32; MELS]> {
        levels.iter().map(|&l| [l; MELS]).collect()
    }

    #[test]
    fn identical_sequences_align_straight_at_no_cost() {
        let a = frames(&[0.0, 1.0, 5.0, 2.0]);
        let path = dtw(&a, &a).unwrap();
        assert_eq!(path.pairs, [(0, 0), (1, 1), (2, 2), (3, 3)]);
        assert_eq!((path.cost, path.deviation), (0.0, 0.0));
    }

    #[test]
    fn a_held_frame_is_bridged_without_cost() {
        let path = dtw(
            &frames(&[0.0, 1.0, 5.0, 2.0]),
            &frames(&[0.0, 1.0, 1.0, 1.0, 5.0, 2.0]),
        )
        .unwrap();
        assert_eq!(path.cost, 0.0);
        assert_eq!(path.pairs, [(0, 0), (1, 1), (1, 2), (1, 3), (2, 4), (3, 5)]);
    }

    #[test]
    fn a_constant_offset_is_the_cost() {
        let path = dtw(&frames(&[0.0, 0.0, 0.0]), &frames(&[3.0, 3.0, 3.0])).unwrap();
        assert!((path.cost - 3.0).abs() < 1e-9);
    }

    #[test]
    fn packed_moves_are_read_back() {
        let steps = [Move::Both, Move::Reference, Move::Candidate];
        let mut moves = Moves::with_capacity(7);
        (0..7).for_each(|i| moves.push(steps[i * 5 % 3]));
        (0..7).for_each(|i| assert_eq!(moves.get(i), steps[i * 5 % 3], "{i}"));
    }

    #[test]
    fn sounds_of_any_two_lengths_are_aligned_from_end_to_end() {
        for (n, m) in [
            (1, 3000),
            (2, 3000),
            (3, 2001),
            (3000, 2),
            (2000, 300),
            (300, 2000),
        ] {
            let path = dtw(&frames(&vec![1.0; n]), &frames(&vec![1.0; m])).unwrap();
            assert_eq!(path.pairs.first(), Some(&(0, 0)), "{n} and {m}");
            assert_eq!(path.pairs.last(), Some(&(n - 1, m - 1)), "{n} and {m}");
            assert_eq!(path.cost, 0.0, "{n} and {m}");
        }
    }

    #[test]
    fn single_frames_and_empty_sequences_are_aligned() {
        assert_eq!(
            dtw(&frames(&[1.0]), &frames(&[1.0, 1.0, 1.0]))
                .unwrap()
                .pairs
                .len(),
            3
        );
        assert_eq!(
            dtw(&frames(&[1.0, 1.0]), &frames(&[1.0]))
                .unwrap()
                .pairs
                .len(),
            2
        );
        assert_eq!(dtw(&[], &frames(&[1.0])), None);
    }
}
