use serde::Serialize;
use statrs::distribution::{ContinuousCDF as _, Normal};

use super::feature::Pool;
use super::limits::{EQUIVALENCE_ALPHA, POWER};
use super::permutation::{Shuffled, Shuffler, TwoSample};
use super::{Draw, Settings, Statistic};

/// A number of which two engines have nearly the same, if they are equivalent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Estimate {
    /// Mean of the logarithm of the number of tokens.
    LogLength,
    /// Share of draws longer than 1.5 times the text's median.
    Overlong,
    /// Share of draws without a token.
    Empty,
    /// Share of draws that only the longest length ended.
    Endless,
    /// Mean share of silent tokens.
    Silence,
    /// Mean share of tokens that occur among the ten before.
    Repeats,
    /// Mean share of tokens that are not among the likeliest 25.
    Unlikely,
    /// Jensen–Shannon divergence of the first tokens, in nats.
    FirstToken,
}

impl Estimate {
    /// In a few words.
    pub fn name(self) -> &'static str {
        match self {
            Self::LogLength => "mean log length",
            Self::Overlong => "share of overlong draws",
            Self::Empty => "share of empty draws",
            Self::Endless => "share of draws without an end",
            Self::Silence => "share of silence",
            Self::Repeats => "share of repetitions",
            Self::Unlikely => "share of unlikely tokens",
            Self::FirstToken => "divergence of first tokens",
        }
    }

    /// Whether it is a share, to be shown in percent.
    pub fn is_share(self) -> bool {
        !matches!(self, Self::LogLength | Self::FirstToken)
    }
}

/// Two one-sided tests of whether two engines are no farther apart than a margin.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Equivalence {
    /// The number.
    pub estimate: Estimate,
    /// What it is in the golden; nothing for a divergence.
    pub golden: Option<f64>,
    /// What it is in the candidate.
    pub candidate: Option<f64>,
    /// The difference, candidate less golden, or the divergence.
    pub difference: f64,
    /// The interval of the difference in which 90% of such intervals have the true one: the tests
    /// pass if it lies within the margin.
    pub interval: [f64; 2],
    /// The largest difference of equivalent engines.
    pub margin: f64,
    /// Whether the engines are equivalent in this.
    pub equivalent: bool,
    /// The smallest difference that a test of so many draws finds with a power of 80%, at the level
    /// that Holm's correction leaves the first of the comparison's tests.
    pub smallest_visible: f64,
    /// Draws of each text and side with which right engines pass with a power of 80%.
    pub draws_needed: usize,
}

/// Standard errors that a margin has to have, for two right engines to pass with a power of 80%:
/// the interval has to fit from both sides.
const PASSING: f64 = 2.927; // quantiles of 0.95 and of 0.9

/// What the intervals of a comparison are made with.
struct Levels {
    /// Quantile of the intervals.
    z: f64,
    /// Sum of the quantiles of the level of a test of difference and of the power.
    visible: f64,
    /// Draws of each text on the smaller side.
    draws: usize,
}

impl Levels {
    /// So many times the draws that there are, rounded up.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a float saturates as an integer"
    )]
    fn draws_times(&self, times: f64) -> usize {
        (times * self.draws as f64).ceil().max(1.0) as usize
    }
}

/// The quantile of the standard normal distribution.
pub(super) fn quantile(p: f64) -> f64 {
    Normal::standard().inverse_cdf(p)
}

/// All tests of equivalence. `first_token` is what shuffling found of the first tokens, and `tests`
/// the number of tests of difference.
pub(super) fn equivalences(
    pool: &Pool<'_>,
    settings: &Settings,
    first_token: Option<&Shuffled>,
    tests: usize,
    shuffler: &mut Shuffler,
) -> Vec<Equivalence> {
    let level = settings.alpha / (2 * tests.max(1)) as f64;
    let levels = Levels {
        z: quantile(1.0 - EQUIVALENCE_ALPHA),
        visible: quantile(1.0 - level) + quantile(POWER),
        draws: smallest_side(pool),
    };
    let margins = &settings.margins;
    let log_length = |_: &Pool<'_>, _: usize, draw: &Draw| (draw.tokens.len().max(1) as f64).ln();
    let flag = |yes: bool| f64::from(u8::from(yes));
    let mut rows = vec![
        mean(
            pool,
            &levels,
            Estimate::LogLength,
            margins.log_length,
            &pool.values(log_length),
        ),
        share(
            pool,
            &levels,
            Estimate::Overlong,
            margins.overlong,
            &pool.values(|p, t, d| flag(p.is_overlong(t, d))),
        ),
        share(
            pool,
            &levels,
            Estimate::Empty,
            margins.empty,
            &pool.values(|_, _, d| flag(d.tokens.is_empty())),
        ),
        share(
            pool,
            &levels,
            Estimate::Endless,
            margins.endless,
            &pool.values(|_, _, d| flag(d.stop.is_none())),
        ),
        mean(
            pool,
            &levels,
            Estimate::Silence,
            margins.silence,
            &pool.values(Pool::silence),
        ),
        mean(
            pool,
            &levels,
            Estimate::Repeats,
            margins.repeats,
            &pool.values(Pool::repeats),
        ),
    ];
    if pool.feature(Statistic::Ranks).is_some() {
        let values = pool.values(Pool::unlikely);
        rows.push(mean(
            pool,
            &levels,
            Estimate::Unlikely,
            margins.unlikely,
            &values,
        ));
    }
    if let (Some(found), Some(feature)) = (first_token, pool.feature(Statistic::FirstToken)) {
        let two = TwoSample::new(feature);
        rows.push(divergence(pool, settings, &levels, &two, found, shuffler));
    }
    rows
}

fn smallest_side(pool: &Pool<'_>) -> usize {
    let theirs = pool.columns.iter().filter(|c| **c).count();
    theirs.min(pool.columns.len() - theirs)
}

/// Mean of the golden's columns and of the candidate's, each with its variance.
fn moments(pool: &Pool<'_>, values: &[f64]) -> [(f64, f64); 2] {
    let columns = pool.columns.len().max(1);
    [false, true].map(|side| {
        let own = pool.columns.iter().enumerate().filter(|(_, c)| **c == side);
        let means = own.map(|(at, _)| {
            let column = values.iter().skip(at).step_by(columns);
            column.clone().sum::<f64>() / column.count().max(1) as f64
        });
        let means: Vec<f64> = means.collect();
        let n = means.len().max(1) as f64;
        let average = means.iter().sum::<f64>() / n;
        let squares: f64 = means.iter().map(|v| (v - average).powi(2)).sum();
        (average, squares / (n - 1.0).max(1.0) / n)
    })
}

/// The difference of two means over texts, with an interval from the spread of the columns.
fn mean(
    pool: &Pool<'_>,
    levels: &Levels,
    estimate: Estimate,
    margin: f64,
    values: &[f64],
) -> Equivalence {
    let [(golden, a), (candidate, b)] = moments(pool, values);
    let error = (a + b).sqrt();
    let difference = candidate - golden;
    let interval = [difference - levels.z * error, difference + levels.z * error];
    Equivalence {
        golden: Some(golden),
        candidate: Some(candidate),
        smallest_visible: levels.visible * error,
        ..row(levels, estimate, difference, interval, margin)
    }
}

/// The difference of two shares, with the interval of Newcombe (1998, method 10), which is sound
/// near 0 too.
fn share(
    pool: &Pool<'_>,
    levels: &Levels,
    estimate: Estimate,
    margin: f64,
    values: &[f64],
) -> Equivalence {
    let all = values.len() as f64 / pool.columns.len().max(1) as f64;
    let sides = pool.columns.iter().filter(|c| **c).count();
    let counts = [pool.columns.len() - sides, sides].map(|n| (n as f64 * all).max(1.0));
    let [(golden, a), (candidate, b)] = moments(pool, values);
    // Draws of one column that are alike count for less than as many independent ones.
    let [n, m] = counts;
    let independent = golden * (1.0 - golden) / n + candidate * (1.0 - candidate) / m;
    let alike = if independent > 0.0 {
        ((a + b) / independent).max(1.0)
    } else {
        1.0
    };
    let (n, m) = (n / alike, m / alike);
    let interval = |times: f64| newcombe([golden, candidate], [n * times, m * times], levels.z);
    let difference = candidate - golden;
    // Where neither side has any, right engines have none.
    let room = match golden + candidate > 0.0 {
        true => PASSING / levels.z,
        false => 1.0,
    };
    let fits = |times: f64| {
        let [low, high] = interval(times);
        (high - low) / 2.0 * room < margin
    };
    let mut times = 1.0 / levels.draws.max(1) as f64;
    while !fits(times) && times < 1e6 {
        times *= 1.05;
    }
    // Cohen's h: on this scale a share is as easy to see near 0 as elsewhere.
    let h = levels.visible * (1.0 / n + 1.0 / m).sqrt();
    let raised = (golden.sqrt().asin() + h / 2.0).min(std::f64::consts::FRAC_PI_2);
    Equivalence {
        golden: Some(golden),
        candidate: Some(candidate),
        smallest_visible: raised.sin().powi(2) - golden,
        draws_needed: levels.draws_times(times),
        ..row(levels, estimate, difference, interval(1.0), margin)
    }
}

/// Newcombe's interval of the difference of two shares, golden first, of so many draws each.
fn newcombe([golden, candidate]: [f64; 2], [n, m]: [f64; 2], z: f64) -> [f64; 2] {
    let ([gl, gu], [cl, cu]) = (wilson(golden, n, z), wilson(candidate, m, z));
    let below = ((candidate - cl).powi(2) + (gu - golden).powi(2)).sqrt();
    let above = ((cu - candidate).powi(2) + (golden - gl).powi(2)).sqrt();
    [candidate - golden - below, candidate - golden + above]
}

/// Wilson's interval of a share of `n`.
fn wilson(p: f64, n: f64, z: f64) -> [f64; 2] {
    let centre = p + z * z / (2.0 * n);
    let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z * z / n;
    [
        ((centre - half) / scale).max(0.0),
        ((centre + half) / scale).min(1.0),
    ]
}

/// The divergence of the first tokens. What there is by chance, as shuffling found it, is taken
/// away; the spread around it is that of resampled draws (bootstrap).
fn divergence(
    pool: &Pool<'_>,
    settings: &Settings,
    levels: &Levels,
    two: &TwoSample,
    found: &Shuffled,
    shuffler: &mut Shuffler,
) -> Equivalence {
    let nats = |g: f64| g / (2.0 * two.size().max(1.0));
    let mut resampled: Vec<f64> = (0..settings.bootstraps)
        .map(|_| nats(two.resampled(pool, shuffler)))
        .collect();
    resampled.sort_by(f64::total_cmp);
    let average = resampled.iter().sum::<f64>() / resampled.len().max(1) as f64;
    // Bootstraps are counted in hundreds: the smallest and largest twentieth of them.
    let tail = resampled.len() / 20;
    let at = |index: usize| resampled.get(index).copied().unwrap_or(average);
    let difference = nats(found.observed - found.mean);
    let interval = [
        (difference + at(tail) - average).max(0.0),
        (difference + at(resampled.len().saturating_sub(tail + 1)) - average).max(0.0),
    ];
    Equivalence {
        smallest_visible: levels.visible * nats(found.deviation),
        ..row(
            levels,
            Estimate::FirstToken,
            difference.max(0.0),
            interval,
            settings.margins.first_token,
        )
    }
}

fn row(
    levels: &Levels,
    estimate: Estimate,
    difference: f64,
    interval: [f64; 2],
    margin: f64,
) -> Equivalence {
    let [low, high] = interval;
    let times = (PASSING / levels.z * (high - low) / 2.0 / margin).powi(2);
    Equivalence {
        estimate,
        golden: None,
        candidate: None,
        difference,
        interval,
        margin,
        equivalent: -margin < low && high < margin,
        smallest_visible: f64::NAN,
        draws_needed: levels.draws_times(times),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_a_share_is_wilsons() {
        // Newcombe 1998, table I: 81 of 263 and 0 of 20, at 95%.
        let close = |found: [f64; 2], expected: [f64; 2]| {
            let worst = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
            assert!(worst.fold(0.0, f64::max) < 5e-5, "{found:?}");
        };
        let z = quantile(0.975);
        close(wilson(81.0 / 263.0, 263.0, z), [0.2553, 0.3662]);
        close(wilson(0.0, 20.0, z), [0.0, 0.1611]);
    }

    #[test]
    fn the_interval_of_a_difference_is_newcombes() {
        // Newcombe 1998, table II, method 10: 56/70 less 48/80, and 10/10 less 0/10, at 95%.
        let found = newcombe([48.0 / 80.0, 56.0 / 70.0], [80.0, 70.0], quantile(0.975));
        let expected = [0.0524, 0.3339];
        let other = newcombe([0.0, 1.0], [10.0, 10.0], quantile(0.975));
        let pairs = found
            .into_iter()
            .chain(other)
            .zip(expected.into_iter().chain([0.6075, 1.0]));
        for (a, b) in pairs {
            assert!((a - b).abs() < 5e-5, "{found:?} {other:?}");
        }
    }

    #[test]
    fn quantiles_are_those_of_the_tables() {
        assert!((quantile(0.975) - 1.959_964).abs() < 1e-6);
        assert!((quantile(0.8) - 0.841_621).abs() < 1e-6);
    }
}
