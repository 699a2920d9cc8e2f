use serde::Serialize;

use super::feature::Pool;
use super::permutation::{Shuffled, Shuffler, TwoSample, holm, shuffle};
use super::{Settings, Statistic};

/// A test of whether a statistic is distributed differently.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// The statistic.
    pub statistic: Statistic,
    /// How far apart the distributions are: the largest distance of the cumulative ones, or the root
    /// of G over the counts (Cohen's w).
    pub effect: f64,
    /// How rarely right engines are as far apart.
    pub p: f64,
    /// The same, corrected for all tests of the comparison.
    pub corrected_p: f64,
    /// Whether the engines differ, which is called wrongly in [`Settings::alpha`] of comparisons.
    pub differs: bool,
    /// What differs most, if classes are counted.
    pub most: Option<MostDifferent>,
}

/// A class, and how often it occurs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MostDifferent {
    /// What it is.
    pub what: String,
    /// Its share in the golden.
    pub golden: f64,
    /// Its share in the candidate.
    pub candidate: f64,
}

/// The tests of everything that is not the same in every draw, and what shuffling found of each.
pub(super) fn differences(
    pool: &Pool<'_>,
    settings: &Settings,
    shuffler: &mut Shuffler,
) -> Vec<(Difference, Shuffled)> {
    let features = Statistic::ALL.iter().filter_map(|&statistic| {
        let two = TwoSample::new(pool.feature(statistic)?);
        (!two.is_constant()).then_some((statistic, two))
    });
    let (statistics, tests): (Vec<_>, Vec<_>) = features.unzip();
    let found = shuffle(pool, &tests, settings.permutations, shuffler);
    let p_values: Vec<f64> = found.iter().map(|f| f.p).collect();
    let rows = statistics
        .iter()
        .zip(&tests)
        .zip(&found)
        .zip(holm(&p_values));
    let difference = |(((&statistic, test), &found), corrected_p): (
        ((&Statistic, &TwoSample), &Shuffled),
        f64,
    )| {
        let effect = match test {
            TwoSample::KolmogorovSmirnov { .. } => found.observed,
            TwoSample::G { .. } => (found.observed / test.size().max(1.0)).sqrt(),
        };
        let most = test.most_different(&pool.candidate);
        let most = most.map(|(class, [golden, candidate])| MostDifferent {
            what: statistic.class_name(class),
            golden,
            candidate,
        });
        let difference = Difference {
            statistic,
            effect,
            p: found.p,
            corrected_p,
            differs: corrected_p <= settings.alpha,
            most,
        };
        (difference, found)
    };
    rows.map(difference).collect()
}
