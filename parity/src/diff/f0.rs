//! Fundamental frequency by YIN, and how two contours differ.

use rayon::prelude::*;

/// Lowest fundamental frequency that is detected, in Hz.
const LOWEST_HZ: f64 = 60.0;
/// Highest fundamental frequency that is detected, in Hz.
const HIGHEST_HZ: f64 = 500.0;
/// The normalised difference function is below this value at a period.
const THRESHOLD: f64 = 0.15;
/// Frames below this RMS are unvoiced regardless of their period: -60 dB of full scale.
const SILENCE: f64 = 1e-3;
/// Relative error of the frequency above which it is gross.
const GROSS: f64 = 0.2;

/// Fundamental frequency in Hz every 20 ms, `None` where the sound is unvoiced.
///
/// YIN (de Cheveigné and Kawahara 2002): the difference function over a window of 25 ms, divided
/// by its cumulative mean; the first local minimum below the threshold is the period, refined by a
/// parabola. Frame i is centred at i times 20 ms, with silence beyond the ends, as in
/// `librosa.yin`. Unlike there, a frame without such a minimum has no period, and the ends of the
/// range do not count as minima.
pub fn track(samples: &[f32], rate: u32) -> Vec<Option<f64>> {
    let hop = (rate as usize / 50).max(1);
    if samples.is_empty() {
        return Vec::new();
    }
    let yin = Yin::new(rate);
    (0..=samples.len() / hop)
        .into_par_iter()
        .map(|frame| yin.frequency(samples, frame * hop))
        .collect()
}

struct Yin {
    rate: f64,
    shortest: usize,
    longest: usize,
    window: usize,
}

impl Yin {
    fn new(rate: u32) -> Self {
        let hz = f64::from(rate);
        Self {
            rate: hz,
            shortest: ((hz / HIGHEST_HZ).floor() as usize).max(1),
            longest: (hz / LOWEST_HZ).ceil() as usize,
            window: (rate as usize / 40).max(1),
        }
    }

    /// Samples of a frame: the window, moved by up to the longest period. Even, so that a frame
    /// has a centre.
    fn frame(&self) -> usize {
        (self.window + self.longest + 2).next_multiple_of(2)
    }

    fn frequency(&self, samples: &[f32], centre: usize) -> Option<f64> {
        let size = self.frame();
        let start = centre as isize - (size / 2) as isize;
        let at = |i: usize| {
            let index = usize::try_from(start + i as isize).ok();
            index
                .and_then(|i| samples.get(i))
                .copied()
                .map_or(0.0, f64::from)
        };
        let frame: Vec<f64> = (0..size).map(at).collect();
        let power = frame.iter().map(|x| x * x).sum::<f64>() / size as f64;
        if power.sqrt() < SILENCE {
            return None;
        }
        let normalised = self.normalised_difference(&frame);
        let trough = first_trough(&normalised)?;
        Some(self.rate / (self.shortest as f64 + trough))
    }

    /// The cumulative mean normalised difference function, from the shortest period to the
    /// longest.
    fn normalised_difference(&self, frame: &[f64]) -> Vec<f64> {
        // The window begins at the frame's second sample, as in librosa.
        let window = &frame[1..=self.window];
        let mut sum = 0.0;
        let mut normalised = Vec::with_capacity(self.longest - self.shortest + 1);
        for period in 1..=self.longest {
            let moved = &frame[1 + period..=self.window + period];
            let difference: f64 = window
                .iter()
                .zip(moved)
                .map(|(a, b)| (a - b) * (a - b))
                .sum();
            sum += difference;
            if period >= self.shortest {
                normalised.push(difference * period as f64 / sum.max(f64::MIN_POSITIVE));
            }
        }
        normalised
    }
}

/// The position of the first local minimum below the threshold, as a fractional index. A value
/// that still falls at an end of the range is not a minimum: its period lies outside the range.
fn first_trough(values: &[f64]) -> Option<f64> {
    let falls_and_rises = |w: &[f64]| w[1] < THRESHOLD && w[1] < w[0] && w[1] <= w[2];
    let mut windows = values.windows(3).enumerate();
    let (before, window) = windows.find(|(_, w)| falls_and_rises(w))?;
    Some((before + 1) as f64 + vertex(window))
}

/// The vertex of the parabola through three neighbouring values, from -1 to 1.
fn vertex(values: &[f64]) -> f64 {
    let curvature = values[2] + values[0] - 2.0 * values[1];
    let slope = (values[2] - values[0]) / 2.0;
    if slope.abs() >= curvature.abs() {
        0.0
    } else {
        -slope / curvature
    }
}

/// How far two contours are apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ContourDiff {
    /// RMS difference where both are voiced, in cents; `None` if they never are.
    pub cents: Option<f64>,
    /// Share of the frames voiced on both sides that differ by more than 20 %.
    pub gross: Option<f64>,
    /// Share of all frames that are voiced on one side only.
    pub voicing: f64,
}

/// Compares two contours at aligned pairs of frames; `None` if there are no pairs.
pub fn diff(
    reference: &[Option<f64>],
    candidate: &[Option<f64>],
    pairs: &[(usize, usize)],
) -> Option<ContourDiff> {
    let (mut voiced, mut squares, mut gross, mut one_sided) = (0usize, 0.0, 0usize, 0usize);
    for &(i, j) in pairs {
        match (reference.get(i)?, candidate.get(j)?) {
            (Some(r), Some(c)) => {
                voiced += 1;
                squares += (1200.0 * (c / r).log2()).powi(2);
                gross += usize::from((c / r - 1.0).abs() > GROSS);
            }
            (None, None) => {}
            _ => one_sided += 1,
        }
    }
    let share = |count: usize, of: usize| (of > 0).then(|| count as f64 / of as f64);
    Some(ContourDiff {
        cents: (voiced > 0).then(|| (squares / voiced as f64).sqrt()),
        gross: share(gross, voiced),
        voicing: share(one_sided, pairs.len())?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use parity_fixture::testing::white_noise;
    use proptest::prelude::*;
    use std::f64::consts::TAU;

    const RATE: u32 = 24_000;

    /// A voice-like tone: harmonics that fall by 1/k, up to 4 kHz.
    fn tone(hz: f64, rate: u32, seconds: f64) -> Vec<f32> {
        let harmonics = (4000.0 / hz) as usize;
        let at = |i: usize| {
            let phase = TAU * hz * i as f64 / f64::from(rate);
            (1..=harmonics)
                .map(|k| (k as f64 * phase).sin() / k as f64)
                .sum::<f64>()
        };
        (0..(seconds * f64::from(rate)) as usize)
            .map(|i| (0.2 * at(i)) as f32)
            .collect()
    }

    fn straight(n: usize) -> Vec<(usize, usize)> {
        (0..n).map(|i| (i, i)).collect()
    }

    #[test]
    fn silence_and_noise_are_unvoiced() {
        for sound in [vec![0.0; 24_000], white_noise(24_000, 1)] {
            let contour = track(&sound, RATE);
            assert_eq!(contour.len(), 51);
            assert!(contour.iter().all(Option::is_none));
        }
        assert!(track(&[], RATE).is_empty());
    }

    #[test]
    fn a_semitone_is_100_cents_without_a_voicing_error() {
        let r = track(&tone(200.0, RATE, 0.5), RATE);
        let c = track(&tone(200.0 * 2f64.powf(1.0 / 12.0), RATE, 0.5), RATE);
        let inner: Vec<_> = straight(r.len()).drain(2..r.len() - 2).collect();
        let diff = diff(&r, &c, &inner).unwrap();
        assert!((diff.cents.unwrap() - 100.0).abs() < 1.0, "{diff:?}");
        assert_eq!((diff.gross, diff.voicing), (Some(0.0), 0.0));
    }

    #[test]
    fn an_octave_is_a_gross_error_and_lost_voicing_is_counted() {
        let r = [Some(100.0), Some(100.0), Some(100.0), None];
        let c = [Some(200.0), Some(100.0), None, None];
        let found = diff(&r, &c, &straight(4)).unwrap();
        assert_eq!((found.gross, found.voicing), (Some(0.5), 0.25));
        assert!((found.cents.unwrap() - 1200.0 / 2f64.sqrt()).abs() < 1e-9);
        let unvoiced = diff(&[None], &[None], &straight(1)).unwrap();
        assert_eq!((unvoiced.cents, unvoiced.gross), (None, None));
        assert_eq!(diff(&[], &[], &[]), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn a_steady_tone_has_its_frequency(hz in 70.0f64..450.0, rate in prop::sample::select(vec![16_000, 24_000, 44_100])) {
            let contour = track(&tone(hz, rate, 0.3), rate);
            for f0 in &contour[2..contour.len() - 2] {
                let f0 = f0.expect("a steady tone is voiced");
                prop_assert!((f0 / hz - 1.0).abs() < 2e-3, "{f0} Hz, not {hz}");
            }
        }

        #[test]
        fn loudness_does_not_change_the_frequency(db in -20.0f64..10.0) {
            let r = tone(150.0, RATE, 0.2);
            let gain = 10f64.powf(db / 20.0) as f32;
            let c: Vec<f32> = r.iter().map(|x| x * gain).collect();
            let (r, c) = (track(&r, RATE), track(&c, RATE));
            let found = diff(&r, &c, &straight(r.len())).unwrap();
            prop_assert!(found.cents.unwrap() < 0.1 && found.voicing == 0.0);
        }
    }
}
