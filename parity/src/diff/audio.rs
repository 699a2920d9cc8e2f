//! Sounds: levels, sample-by-sample ratios, lag, spectra and alignment.

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::align::dtw;
use super::cepstrum;
use super::f0;
use super::spectrum::{log_mel, log_spectral, multi_resolution};
use super::window;
use crate::metric::{Measures, Metric, Value, measures, ratio_db};

/// Smallest absolute sample that counts as clipped.
const FULL_SCALE: f32 = 0.9999;
/// Level below which 20 ms count as silent, in dB of full scale.
const SILENCE_DB: f64 = -60.0;
const MEL_HOP_MS: f64 = 20.0;
/// Up to so many samples in all the lag is searched over the whole of both sounds.
pub(crate) const WHOLE: usize = 1 << 20;
/// The largest lag that is searched in longer sounds, in samples: 10.9 s at 24 kHz.
pub(crate) const LONGEST_LAG: usize = 1 << 18;

/// The levels of one sound.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Levels {
    /// The number of samples.
    pub samples: usize,
    /// The duration in seconds.
    pub seconds: f64,
    /// RMS level, 1 being full scale.
    pub rms: Value,
    /// Largest absolute sample.
    pub peak: Value,
    /// Mean sample.
    pub dc: Value,
    /// Samples at full scale.
    pub clipped: usize,
    /// Share of the 20 ms frames below -60 dB of full scale.
    pub silence: f64,
    /// Samples that are NaN or infinite.
    pub non_finite: usize,
}

impl Levels {
    /// Measures a mono sound.
    pub fn of(samples: &[f32], rate: u32) -> Self {
        let n = samples.len().max(1) as f64;
        let frames = samples.chunks((rate as usize / 50).max(1));
        let silent = |s: &&[f32]| 20.0 * (energy(s) / s.len() as f64).sqrt().log10() < SILENCE_DB;
        Self {
            samples: samples.len(),
            seconds: samples.len() as f64 / f64::from(rate.max(1)),
            rms: Value((energy(samples) / n).sqrt()),
            peak: Value(
                samples
                    .iter()
                    .map(|s| f64::from(s.abs()))
                    .fold(0.0, max_or_nan),
            ),
            dc: Value(samples.iter().map(|&s| f64::from(s)).sum::<f64>() / n),
            clipped: samples.iter().filter(|s| s.abs() >= FULL_SCALE).count(),
            silence: frames.clone().filter(silent).count() as f64 / frames.len().max(1) as f64,
            non_finite: samples.iter().filter(|s| !s.is_finite()).count(),
        }
    }
}

/// How two sounds of one sampling rate differ.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AudioDiff {
    /// The reference.
    pub reference: Levels,
    /// The candidate.
    pub candidate: Levels,
    /// Everything measured. Silence has no lag and no measure that needs it; sounds that are not
    /// finite have no spectral measures.
    pub measures: Measures,
}

/// Compares two mono sounds at `rate` samples a second.
pub fn diff(reference: &[f32], candidate: &[f32], rate: u32) -> AudioDiff {
    let (r, c) = (Levels::of(reference, rate), Levels::of(candidate, rate));
    let level = |r: Value, c: Value| {
        if r == c {
            0.0
        } else {
            (20.0 * (c.0 / r.0).log10()).abs()
        }
    };
    let mut m = measures([
        (
            Metric::LengthDifference,
            r.samples.abs_diff(c.samples) as f64,
        ),
        (Metric::DurationDifference, (r.seconds - c.seconds).abs()),
        (Metric::RmsDifference, level(r.rms, c.rms)),
        (Metric::PeakDifference, level(r.peak, c.peak)),
        (Metric::DcDifference, (r.dc.0 - c.dc.0).abs()),
        (Metric::Clipping, c.clipped.saturating_sub(r.clipped) as f64),
        (Metric::Snr, snr(reference, candidate)),
        (Metric::SiSdr, si_sdr(reference, candidate)),
    ]);
    if r.non_finite + c.non_finite == 0 {
        if let Some(lag) = lag(reference, candidate) {
            m.insert(Metric::Lag, Value(lag as f64));
            let aligned = snr_aligned(reference, candidate, lag);
            m.insert(Metric::SnrAligned, Value(aligned));
        }
        m.extend(spectra(reference, candidate, rate));
    }
    AudioDiff {
        reference: r,
        candidate: c,
        measures: m,
    }
}

/// Distances of spectra, mels and pitch. Most sounds are identical and need no transform.
fn spectra(reference: &[f32], candidate: &[f32], rate: u32) -> Measures {
    use Metric::{
        DtwCost, DtwDeviation, F0Error, F0Gross, LogSpectral, MelCepstral, MelWindow, StftDistance,
        VoicingError,
    };
    if reference == candidate {
        let all = [
            StftDistance,
            LogSpectral,
            DtwCost,
            DtwDeviation,
            MelWindow,
            MelCepstral,
            F0Error,
            F0Gross,
            VoicingError,
        ];
        return measures(all.map(|m| (m, 0.0)));
    }
    let mut spectra = measures([
        (StftDistance, multi_resolution(reference, candidate)),
        (LogSpectral, log_spectral(reference, candidate)),
    ]);
    let (r, c) = (log_mel(reference, rate), log_mel(candidate, rate));
    if let Some(worst) = window::worst(&r, &c) {
        spectra.insert(MelWindow, Value(worst.distance));
    }
    if let Some(path) = dtw(&r, &c) {
        let mut keep = |metric, value: Option<f64>| {
            if let Some(value) = value {
                spectra.insert(metric, Value(value));
            }
        };
        keep(DtwCost, Some(path.cost));
        keep(DtwDeviation, Some(path.deviation * MEL_HOP_MS));
        keep(MelCepstral, cepstrum::distortion(&r, &c, &path.pairs));
        let (r, c) = (f0::track(reference, rate), f0::track(candidate, rate));
        let contours = f0::diff(&r, &c, &path.pairs);
        keep(F0Error, contours.and_then(|d| d.cents));
        keep(F0Gross, contours.and_then(|d| d.gross));
        keep(VoicingError, contours.map(|d| d.voicing));
    }
    spectra
}

/// Signal-to-noise ratio in dB. What one side has more is an error, with its own energy and at least
/// with that of as much sound at the reference's mean power.
pub fn snr(reference: &[f32], candidate: &[f32]) -> f64 {
    let common = reference.len().min(candidate.len());
    let rest = reference
        .iter()
        .skip(common)
        .chain(candidate.iter().skip(common));
    let noise = difference(reference, candidate) + excess(rest, mean_power(reference));
    -ratio_db(noise, energy(reference))
}

/// SNR after `candidate` was moved by `lag`. What lies outside the overlap is an error as far as the
/// lengths differ: a sound that only comes later is whole.
fn snr_aligned(reference: &[f32], candidate: &[f32], lag: i64) -> f64 {
    let (r, c) = overlap(reference, candidate, lag);
    let longer = if reference.len() > candidate.len() {
        reference
    } else {
        candidate
    };
    let more = reference.len().abs_diff(candidate.len());
    let outside = longer.len() - r.len();
    let overlapping = if reference.len() > candidate.len() {
        r
    } else {
        c
    };
    let left_out = (energy(longer) - energy(overlapping)).max(0.0) / outside.max(1) as f64;
    let power = left_out.max(mean_power(reference));
    let noise = difference(r, c) + more as f64 * power;
    // Without a sample in common nothing is left of the reference.
    let signal = if r.is_empty() { 0.0 } else { energy(r) };
    -ratio_db(noise, signal)
}

/// Energy of the difference of the common samples.
fn difference(reference: &[f32], candidate: &[f32]) -> f64 {
    let pairs = reference.iter().zip(candidate);
    pairs
        .map(|(&r, &c)| (f64::from(c) - f64::from(r)).powi(2))
        .sum()
}

/// The error energy of what one side has more: its own, but at least that of as much sound at the
/// reference's mean power. Appended silence is as wrong as appended speech, and without this a
/// sound that is 0.2 s too long would have no error at all.
fn excess<'a>(rest: impl Iterator<Item = &'a f32>, power: f64) -> f64 {
    let (count, own) = rest.fold((0usize, 0.0), |(count, own), &x| {
        (count + 1, own + f64::from(x).powi(2))
    });
    let least = count as f64 * power;
    if own.is_nan() { own } else { own.max(least) }
}

fn mean_power(samples: &[f32]) -> f64 {
    energy(samples) / samples.len().max(1) as f64
}

/// Scale-invariant signal-to-distortion ratio in dB; what one side has more is distortion.
pub fn si_sdr(reference: &[f32], candidate: &[f32]) -> f64 {
    let pairs = || {
        reference
            .iter()
            .zip(candidate)
            .map(|(&r, &c)| (f64::from(r), f64::from(c)))
    };
    let power = energy(reference);
    let product: f64 = pairs().map(|(r, c)| r * c).sum();
    if power == 0.0 {
        // Nothing can be projected on a silent reference.
        return if energy(candidate) == 0.0 && reference.len() == candidate.len() {
            f64::INFINITY
        } else {
            f64::NEG_INFINITY
        };
    }
    // The projection on the whole reference: where the candidate has ended, it is silent.
    let scale = product / power;
    let common = reference.len().min(candidate.len());
    let rest = reference
        .iter()
        .skip(common)
        .chain(candidate.iter().skip(common));
    let outside = excess(rest, mean_power(reference));
    let outside = if reference.len() > candidate.len() {
        scale * scale * outside
    } else {
        outside
    };
    let rest: f64 = pairs().map(|(r, c)| (c - scale * r).powi(2)).sum();
    let along = scale * scale * power;
    if along == 0.0 {
        f64::NEG_INFINITY
    } else {
        -ratio_db(rest + outside, along)
    }
}

/// The samples by which `candidate` comes after `reference`, at the maximum of their
/// cross-correlation. `None` if either is silent. In sounds of more than 2²⁰ samples together, lags
/// of up to 2¹⁸ are searched.
pub fn lag(reference: &[f32], candidate: &[f32]) -> Option<i64> {
    if reference == candidate {
        return Some(0);
    }
    if energy(reference) == 0.0 || energy(candidate) == 0.0 {
        return None;
    }
    let range = -(reference.len() as i64 - 1)..candidate.len() as i64;
    let (range, correlation) = if reference.len() + candidate.len() <= WHOLE {
        (range, whole_correlation(reference, candidate))
    } else {
        let near = range.start.max(-(LONGEST_LAG as i64))..range.end.min(LONGEST_LAG as i64 + 1);
        (near, near_correlation(reference, candidate))
    };
    let at = |lag: i64| correlation[lag.rem_euclid(correlation.len() as i64) as usize].re;
    let largest = range.clone().map(at).fold(f64::NEG_INFINITY, f64::max);
    // Rounding must not choose among the periods of a pure tone, so the smallest lag wins.
    let near = largest - largest.abs() * 1e-9;
    range.filter(|&l| at(l) >= near).min_by_key(|l| l.abs())
}

/// The cross-correlation at every lag, negative ones at the end.
fn whole_correlation(reference: &[f32], candidate: &[f32]) -> Vec<Complex<f64>> {
    let n = (reference.len() + candidate.len()).next_power_of_two();
    let mut planner = FftPlanner::<f64>::new();
    let forward = planner.plan_fft_forward(n);
    let transform = |x: &[f32]| {
        let mut x: Vec<_> = x.iter().map(|&s| Complex::new(f64::from(s), 0.0)).collect();
        x.resize(n, Complex::default());
        forward.process(&mut x);
        x
    };
    let r = transform(reference);
    let mut product = transform(candidate);
    product.iter_mut().zip(&r).for_each(|(c, r)| *c *= r.conj());
    planner.plan_fft_inverse(n).process(&mut product);
    product
}

/// The cross-correlation at the lags up to [`LONGEST_LAG`], negative ones at the end: the sum of
/// those of the reference's blocks with the candidate's samples about each.
fn near_correlation(reference: &[f32], candidate: &[f32]) -> Vec<Complex<f64>> {
    let n = 4 * LONGEST_LAG;
    let mut planner = FftPlanner::<f64>::new();
    let forward = planner.plan_fft_forward(n);
    let mut scratch = vec![Complex::default(); forward.get_inplace_scratch_len()];
    let mut sum = vec![Complex::default(); n];
    let mut both = vec![Complex::default(); n];
    for start in (0..reference.len()).step_by(LONGEST_LAG) {
        let block = &reference[start..reference.len().min(start + LONGEST_LAG)];
        both.fill(Complex::default());
        // The block is the real part, what the candidate has about it the imaginary one: one
        // transform serves for both.
        for (slot, &r) in both[LONGEST_LAG..].iter_mut().zip(block) {
            slot.re = f64::from(r);
        }
        for (i, slot) in both.iter_mut().enumerate().take(3 * LONGEST_LAG) {
            let at = (start + i).checked_sub(LONGEST_LAG);
            slot.im = at
                .and_then(|at| candidate.get(at))
                .copied()
                .map_or(0.0, f64::from);
        }
        forward.process_with_scratch(&mut both, &mut scratch);
        for (k, slot) in sum.iter_mut().enumerate() {
            let (z, mirrored) = (both[k], both[(n - k) % n].conj());
            let r = (z + mirrored) * 0.5;
            let c = (z - mirrored) * Complex::new(0.0, -0.5);
            *slot += c * r.conj();
        }
    }
    planner.plan_fft_inverse(n).process(&mut sum);
    sum
}

/// The parts of both sounds that overlap once `candidate` is moved by `lag`.
fn overlap<'a>(reference: &'a [f32], candidate: &'a [f32], lag: i64) -> (&'a [f32], &'a [f32]) {
    let skip = lag.unsigned_abs() as usize;
    let (r, c) = if lag >= 0 {
        (reference, &candidate[skip.min(candidate.len())..])
    } else {
        (&reference[skip.min(reference.len())..], candidate)
    };
    let n = r.len().min(c.len());
    (&r[..n], &c[..n])
}

fn energy(samples: &[f32]) -> f64 {
    samples.iter().map(|&s| f64::from(s).powi(2)).sum()
}

fn max_or_nan(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() {
        f64::NAN
    } else {
        a.max(b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parity_fixture::testing::white_noise as noise;
    use proptest::prelude::*;

    const RATE: u32 = 24_000;

    fn shifted(x: &[f32], by: usize) -> Vec<f32> {
        [&vec![0.0; by], &x[..x.len() - by]].concat()
    }

    #[test]
    fn identical_sounds_have_infinite_ratios() {
        let r = noise(4800, 1);
        let m = diff(&r, &r, RATE).measures;
        assert_eq!(
            (m[&Metric::Snr].0, m[&Metric::SiSdr].0),
            (f64::INFINITY, f64::INFINITY)
        );
        assert_eq!((m[&Metric::Lag].0, m[&Metric::StftDistance].0), (0.0, 0.0));
        assert_eq!(
            (m[&Metric::DtwCost].0, m[&Metric::DtwDeviation].0),
            (0.0, 0.0)
        );
    }

    #[test]
    fn silence_against_silence_is_identity_and_against_sound_is_not() {
        let (silence, sound) = (vec![0.0; 4800], noise(4800, 1));
        assert_eq!(
            diff(&silence, &silence, RATE).measures[&Metric::Snr].0,
            f64::INFINITY
        );
        let m = diff(&silence, &sound, RATE).measures;
        assert_eq!(
            (m[&Metric::Snr].0, m[&Metric::SiSdr].0),
            (f64::NEG_INFINITY, f64::NEG_INFINITY)
        );
        assert!(!m.contains_key(&Metric::Lag));
        // All of the reference is lost: the error has its energy.
        let m = diff(&sound, &silence, RATE).measures;
        assert_eq!(
            (m[&Metric::Snr].0, m[&Metric::SiSdr].0),
            (0.0, f64::NEG_INFINITY)
        );
        assert_eq!(m[&Metric::RmsDifference].0, f64::INFINITY);
    }

    #[test]
    fn a_lost_end_counts_against_the_ratio() {
        let r = noise(4800, 1);
        let m = diff(&r, &r[..2400], RATE).measures;
        // Half of the energy is gone: 10 log10(2) = 3 dB.
        assert!((m[&Metric::Snr].0 - 3.01).abs() < 0.2);
        assert_eq!(m[&Metric::LengthDifference].0, 2400.0);
        assert_eq!(m[&Metric::DurationDifference].0, 0.1);
    }

    #[test]
    fn what_is_appended_is_an_error_in_every_ratio_even_if_it_is_silent() {
        let r = noise(24_000, 1);
        for appended in [vec![0.0; 4800], noise(4800, 2)] {
            let longer = [r.clone(), appended].concat();
            for (r, c) in [(&r, &longer), (&longer, &r)] {
                let m = diff(r, c, RATE).measures;
                for metric in [Metric::Snr, Metric::SiSdr, Metric::SnrAligned] {
                    // A fifth of the sound is too much: 10 log10(5) = 7 dB.
                    let db = m[&metric].0;
                    assert!((6.0..9.0).contains(&db), "{metric}: {db}");
                }
            }
        }
        // Put before it, the lag finds the rest; what is too much stays an error.
        let before = [vec![0.0; 4800], r.clone()].concat();
        let m = diff(&r, &before, RATE).measures;
        assert_eq!(m[&Metric::Lag].0, 4800.0);
        assert!((6.0..9.0).contains(&m[&Metric::SnrAligned].0));
    }

    #[test]
    fn an_unmoved_pure_tone_has_no_lag() {
        let tone: Vec<f32> = (0..4800).map(|i| (i as f32 * 0.1).sin()).collect();
        let louder: Vec<f32> = tone.iter().map(|x| x * 1.01).collect();
        assert_eq!(lag(&tone, &louder), Some(0));
    }

    #[test]
    fn the_lag_of_long_sounds_is_found_in_blocks() {
        let r = noise(540_000, 1);
        for by in [1, 262_000] {
            let c = shifted(&r, by);
            assert_eq!(lag(&r, &c), Some(by as i64));
            assert_eq!(lag(&c, &r), Some(-(by as i64)));
        }
    }

    #[test]
    fn nan_is_counted_and_has_no_spectrum() {
        let r = noise(480, 1);
        let mut c = r.clone();
        c[7] = f32::NAN;
        let d = diff(&r, &c, RATE);
        assert_eq!(d.candidate.non_finite, 1);
        assert!(d.measures[&Metric::Snr].0.is_nan() && d.candidate.peak.0.is_nan());
        assert!(!d.measures.contains_key(&Metric::StftDistance));
    }

    #[test]
    fn levels_of_a_square_wave_are_measured() {
        let square: Vec<f32> = (0..4800)
            .map(|i| if i % 2 == 0 { 0.6 } else { -0.4 })
            .collect();
        let levels = Levels::of(&[square, vec![0.0; 4800], vec![1.0; 2]].concat(), RATE);
        assert!((levels.peak.0 - 1.0).abs() < 1e-9 && levels.clipped == 2);
        assert!((levels.dc.0 - (480.0 + 2.0) / 9602.0).abs() < 1e-6);
        // 10 of 21 frames: the last, short one is loud.
        assert!((levels.silence - 10.0 / 21.0).abs() < 1e-9);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn a_gain_of_x_db_is_measured(db in -30.0f64..30.0, seed in 1u32..1000) {
            let r = noise(2400, seed);
            let gain = 10f64.powf(db / 20.0);
            let c: Vec<f32> = r.iter().map(|&x| (f64::from(x) * gain) as f32).collect();
            let m = diff(&r, &c, RATE).measures;
            prop_assert!((m[&Metric::RmsDifference].0 - db.abs()).abs() < 1e-4);
            prop_assert!((m[&Metric::PeakDifference].0 - db.abs()).abs() < 1e-4);
            // The error is (gain - 1) r.
            prop_assert!((m[&Metric::Snr].0 + 20.0 * (gain - 1.0).abs().log10()).abs() < 0.1 || db.abs() < 0.1);
            prop_assert!(m[&Metric::SiSdr].0 > 100.0);
        }

        #[test]
        fn a_shift_of_n_samples_is_measured(n in 0usize..600, seed in 1u32..1000) {
            let r = noise(2400, seed);
            let c = shifted(&r, n);
            prop_assert_eq!(lag(&r, &c), Some(n as i64));
            prop_assert_eq!(lag(&c, &r), Some(-(n as i64)));
            prop_assert_eq!(diff(&r, &c, RATE).measures[&Metric::SnrAligned].0, f64::INFINITY);
        }

        #[test]
        fn noise_at_a_given_ratio_is_measured(db in 0.0f64..80.0, seed in 1u32..1000) {
            let (r, e) = (noise(2400, seed), noise(2400, seed + 5000));
            let scale = (energy(&r) / energy(&e) / 10f64.powf(db / 10.0)).sqrt();
            let c: Vec<f32> =
                r.iter().zip(&e).map(|(&r, &e)| (f64::from(r) + scale * f64::from(e)) as f32).collect();
            prop_assert!((snr(&r, &c) - db).abs() < 0.05);
            prop_assert!((si_sdr(&r, &c) - db).abs() < 1.0);
        }
    }
}
