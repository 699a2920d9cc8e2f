use std::collections::BTreeMap;

use serde::Serialize;

use super::Statistic;
use super::feature::{Feature, OTHERS, Pool};

/// Points of a cumulative curve at most.
const POINTS: usize = 200;
/// The share of right engines whose curve stays within the band, by Kolmogorov's distribution.
const BAND: f64 = 1.628; // of 99%
/// Statistics whose classes have an order.
const ORDERED: [Statistic; 2] = [Statistic::Repeats, Statistic::Ranks];

/// How a statistic is distributed on both sides.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Distribution {
    /// The statistic.
    pub statistic: Statistic,
    /// Whether the curves are cumulative; else each point is the share of a class.
    pub cumulative: bool,
    /// The golden's curve.
    pub golden: Vec<(f64, f64)>,
    /// The candidate's.
    pub candidate: Vec<(f64, f64)>,
    /// How far from the golden's curve those of 99% of right engines stay, for cumulative ones.
    pub band: Option<f64>,
}

/// The distributions that can be drawn.
pub(super) fn distributions(pool: &Pool<'_>) -> Vec<Distribution> {
    let drawn = Statistic::ALL
        .iter()
        .filter_map(|&statistic| match pool.feature(statistic)? {
            Feature::Values(values) => Some(cumulative(pool, statistic, &values)),
            Feature::Counts(counts) if ORDERED.contains(&statistic) => {
                let draws = counts.iter().map(Vec::as_slice);
                let side = |side: bool| {
                    let own = draws
                        .clone()
                        .zip(&pool.candidate)
                        .filter(move |(_, c)| **c == side);
                    shares(
                        own.flat_map(|(draw, _)| draw)
                            .map(|&((_, class), n)| (class, n)),
                    )
                };
                Some(Distribution {
                    statistic,
                    cumulative: false,
                    golden: side(false),
                    candidate: side(true),
                    band: None,
                })
            }
            Feature::Counts(_) => None,
        });
    drawn.collect()
}

fn cumulative(pool: &Pool<'_>, statistic: Statistic, values: &[f64]) -> Distribution {
    let side = |side: bool| {
        let own = values
            .iter()
            .zip(&pool.candidate)
            .filter(|(_, c)| **c == side);
        let mut own: Vec<f64> = own.map(|(v, _)| *v).collect();
        own.sort_by(f64::total_cmp);
        own
    };
    let (golden, candidate) = (side(false), side(true));
    let [n, m] = [&golden, &candidate].map(|side| side.len().max(1) as f64);
    Distribution {
        statistic,
        cumulative: true,
        golden: steps(&golden),
        candidate: steps(&candidate),
        band: Some(BAND * ((n + m) / (n * m)).sqrt()),
    }
}

/// The cumulative curve of sorted values, at every so many of them.
fn steps(sorted: &[f64]) -> Vec<(f64, f64)> {
    let stride = sorted.len().div_ceil(POINTS).max(1);
    let ranks = sorted
        .iter()
        .enumerate()
        .map(|(at, &v)| (v, (at + 1) as f64 / sorted.len() as f64));
    let last = ranks.clone().next_back();
    ranks.step_by(stride).chain(last).collect()
}

/// The share of each class. New tokens, class 0 of repetitions, would dwarf the others and are told
/// by them.
fn shares(counts: impl Iterator<Item = (u32, u32)>) -> Vec<(f64, f64)> {
    let mut totals: BTreeMap<u32, f64> = BTreeMap::new();
    let mut all = 0.0;
    for (class, n) in counts {
        *totals.entry(class).or_default() += f64::from(n);
        all += f64::from(n);
    }
    totals.remove(&OTHERS);
    totals
        .into_iter()
        .map(|(class, n)| (f64::from(class), n / f64::max(all, 1.0)))
        .collect()
}
