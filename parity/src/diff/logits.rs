//! Logits, compared as the distributions that they define.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::tensor::percentile;
use crate::metric::{Measures, Metric, Value, measures};

/// How two tables of logits differ.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LogitDiff {
    /// Position and KL divergence in nats, row by row.
    #[serde(with = "crate::number::pairs")]
    #[schemars(with = "Vec<(i64, Value)>")]
    pub kl: Vec<(i64, f32)>,
    /// Divergences and overlaps.
    pub measures: Measures,
}

/// A table of logits: the positions and their rows.
#[derive(Clone, Copy)]
pub struct Table<'a> {
    /// The position of each row.
    pub positions: &'a [i64],
    /// Rows of `width` values.
    pub values: &'a [f32],
    /// The vocabulary.
    pub width: usize,
}

impl<'a> Table<'a> {
    /// The row of `position`.
    pub fn row(&self, position: i64) -> Option<&'a [f32]> {
        let row = self.positions.iter().position(|&p| p == position)?;
        self.values.get(row * self.width..(row + 1) * self.width)
    }
}

/// Compares rows of the same position.
///
/// # Errors
/// If the vocabularies differ, or the candidate lacks a position.
pub fn diff(reference: Table<'_>, candidate: Table<'_>) -> Result<LogitDiff, String> {
    if reference.width != candidate.width {
        let (r, c) = (reference.width, candidate.width);
        return Err(format!("a vocabulary of {c} instead of {r}"));
    }
    let rows = reference.positions.len();
    let (mut kl, mut same, mut overlap) = (Vec::with_capacity(rows), 0, 0.0);
    for &position in reference.positions {
        let lacks = |who| format!("the {who} has no logits at position {position}");
        let r = reference.row(position).ok_or_else(|| lacks("reference"))?;
        let c = candidate.row(position).ok_or_else(|| lacks("candidate"))?;
        kl.push((position, divergence(r, c)));
        let (r, c) = (top(r, 5), top(c, 5));
        same += usize::from(r.first() == c.first());
        let shared = r.iter().filter(|i| c.contains(i)).count();
        overlap += shared as f64 / r.len().max(1) as f64;
    }
    let mut values: Vec<f64> = kl.iter().map(|k| k.1).collect();
    let count = rows.max(1) as f64;
    let measures = measures([
        (Metric::KlMean, values.iter().sum::<f64>() / count),
        (Metric::KlP99, percentile(&mut values, 0.99)),
        (Metric::KlMax, percentile(&mut values, 1.0)),
        (Metric::SameTop1, same as f64 / count),
        (Metric::Top5Overlap, overlap / count),
    ]);
    Ok(LogitDiff {
        kl: kl.into_iter().map(|(p, k)| (p, k as f32)).collect(),
        measures,
    })
}

/// Kullback-Leibler divergence of softmax(c) from softmax(r), in nats.
pub(super) fn divergence(r: &[f32], c: &[f32]) -> f64 {
    let (zr, zc) = (log_sum_exp(r), log_sum_exp(c));
    let terms = r.iter().zip(c).map(|(&r, &c)| {
        let (lr, lc) = (f64::from(r) - zr, f64::from(c) - zc);
        // A token that the reference never draws costs nothing.
        if lr == f64::NEG_INFINITY {
            0.0
        } else {
            lr.exp() * (lr - lc)
        }
    });
    // Rounding may leave a sum slightly below zero.
    let sum: f64 = terms.sum();
    if sum.is_nan() { sum } else { sum.max(0.0) }
}

/// Variance of the logits of r, and their covariance with those of c, both by r's probabilities.
pub(super) fn moments(r: &[f32], c: &[f32]) -> [f64; 2] {
    let z = log_sum_exp(r);
    let weighted = || {
        let pairs = r.iter().zip(c).map(|(&r, &c)| (f64::from(r), f64::from(c)));
        pairs
            .map(|(r, c)| ((r - z).exp(), r, c))
            .filter(|(p, ..)| *p > 0.0)
    };
    let mean_r: f64 = weighted().map(|(p, r, _)| p * r).sum();
    let mean_c: f64 = weighted().map(|(p, _, c)| p * c).sum();
    weighted().fold([0.0, 0.0], |[variance, covariance], (p, r, c)| {
        let d = p * (r - mean_r);
        [variance + d * (r - mean_r), covariance + d * (c - mean_c)]
    })
}

pub(super) fn log_sum_exp(x: &[f32]) -> f64 {
    let max = f64::from(x.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    max + x
        .iter()
        .map(|&v| (f64::from(v) - max).exp())
        .sum::<f64>()
        .ln()
}

/// The indices of the `k` largest values, largest first, the lower index first among equals.
pub(super) fn top(x: &[f32], k: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..x.len()).collect();
    order.sort_by(|&a, &b| x[b].total_cmp(&x[a]).then(a.cmp(&b)));
    order.truncate(k);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_row<'a>(values: &'a [f32]) -> Table<'a> {
        Table {
            positions: &[7],
            values,
            width: values.len(),
        }
    }

    fn kl(r: &[f32], c: &[f32]) -> f64 {
        diff(one_row(r), one_row(c)).unwrap().measures[&Metric::KlMax].0
    }

    #[test]
    fn divergence_matches_the_textbook() {
        let ln = |p: [f32; 2]| p.map(f32::ln);
        // 0.75 ln(0.75/0.5) + 0.25 ln(0.25/0.5) = 0.130812
        assert!((kl(&ln([0.75, 0.25]), &ln([0.5, 0.5])) - 0.130_812).abs() < 1e-6);
        assert_eq!(kl(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0]), 0.0);
    }

    #[test]
    fn masked_tokens_cost_nothing_unless_only_the_candidate_masks_them() {
        let mask = f32::NEG_INFINITY;
        assert_eq!(kl(&[0.0, mask], &[0.0, mask]), 0.0);
        assert_eq!(kl(&[0.0, 0.0], &[0.0, mask]), f64::INFINITY);
    }

    #[test]
    fn logits_that_are_scaled_covary_by_the_scale() {
        let r = [1.0, 2.0, 4.0, -1.0];
        let c = r.map(|x: f32| x * 1.25 + 7.0);
        let [variance, covariance] = moments(&r, &c);
        assert!(variance > 0.1);
        assert!((covariance / variance - 1.25).abs() < 1e-6);
    }

    #[test]
    fn ranks_show_in_top_1_and_top_5() {
        let r = [9.0, 8.0, 7.0, 6.0, 5.0, 0.0];
        let c = [8.0, 9.0, 7.0, 6.0, 0.0, 5.0];
        let m = diff(one_row(&r), one_row(&c)).unwrap().measures;
        assert_eq!(
            (m[&Metric::SameTop1].0, m[&Metric::Top5Overlap].0),
            (0.0, 0.8)
        );
    }

    #[test]
    fn rows_are_matched_by_position() {
        let r = Table {
            positions: &[4],
            values: &[0.0, 1.0],
            width: 2,
        };
        let c = Table {
            positions: &[3, 4],
            values: &[5.0, 0.0, 0.0, 1.0],
            width: 2,
        };
        assert_eq!(diff(r, c).unwrap().kl, [(4, 0.0)]);
        let without = Table {
            positions: &[3],
            values: &[5.0, 0.0],
            width: 2,
        };
        assert!(diff(r, without).unwrap_err().contains("position 4"));
    }
}
