//! Mel cepstra and their distortion.

use std::f64::consts::{LN_10, PI};

use super::spectrum::MELS;

/// The number of cepstra compared; cepstrum 0, the loudness, is left out.
const ORDER: usize = 24;

/// Mel-cepstral distortion in dB of log-mel frames in dB, mean over the aligned pairs; `None`
/// without a pair. (Kubichek 1993, "Mel-cepstral distance measure for objective speech quality
/// assessment": 10/ln 10 · √(2 Σ Δ²).)
pub fn distortion(
    reference: &[[f32; MELS]],
    candidate: &[[f32; MELS]],
    pairs: &[(usize, usize)],
) -> Option<f64> {
    let basis = basis();
    let mut sum = 0.0;
    for &(i, j) in pairs {
        let (r, c) = (
            cepstrum(reference.get(i)?, &basis),
            cepstrum(candidate.get(j)?, &basis),
        );
        let squares: f64 = r.iter().zip(c).map(|(r, c)| (r - c).powi(2)).sum();
        sum += 10.0 / LN_10 * (2.0 * squares).sqrt();
    }
    (!pairs.is_empty()).then(|| sum / pairs.len() as f64)
}

/// Row d - 1 turns a frame in dB into its cepstrum d: the log spectrum is, over the mel channels,
/// the sum of the cepstra times cosines.
fn basis() -> Vec<[f64; MELS]> {
    let to_nepers = LN_10 / 20.0;
    let cosine = |d: usize, k: usize| (PI * d as f64 * (k as f64 + 0.5) / MELS as f64).cos();
    (1..=ORDER)
        .map(|d| std::array::from_fn(|k| to_nepers * 2.0 / MELS as f64 * cosine(d, k)))
        .collect()
}

fn cepstrum(frame: &[f32; MELS], basis: &[[f64; MELS]]) -> [f64; ORDER] {
    let dot = |row: &[f64; MELS]| frame.iter().zip(row).map(|(&x, b)| f64::from(x) * b).sum();
    std::array::from_fn(|d| dot(&basis[d]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIRS: [(usize, usize); 1] = [(0, 0)];

    /// A frame whose log amplitude is a cosine of `db` dB over the mel channels.
    fn ripple(d: usize, db: f64) -> [f32; MELS] {
        std::array::from_fn(|k| {
            (db * (PI * d as f64 * (k as f64 + 0.5) / MELS as f64).cos()) as f32
        })
    }

    #[test]
    fn a_gain_is_no_distortion() {
        let found = distortion(&[[-20.0; MELS]], &[[-14.0; MELS]], &PAIRS).unwrap();
        assert!(found < 1e-9);
    }

    #[test]
    fn a_ripple_of_the_envelope_is_distortion_of_its_rms() {
        // A cosine of 6 dB has an RMS of 6/√2 dB, whichever cepstrum holds it.
        for d in [1, 7, 24] {
            let found = distortion(&[ripple(d, 0.0)], &[ripple(d, 6.0)], &PAIRS).unwrap();
            assert!((found - 6.0 / 2f64.sqrt()).abs() < 1e-5, "{found}");
        }
        let too_fine = distortion(&[ripple(25, 0.0)], &[ripple(25, 6.0)], &PAIRS).unwrap();
        assert!(too_fine < 1e-5);
    }

    #[test]
    fn without_aligned_frames_nothing_is_measured() {
        assert_eq!(distortion(&[], &[], &[]), None);
    }
}
