//! Where a candidate that is fed the reference's tokens would have drawn others: each step beside the
//! reference's, from the same history and the same random numbers.
//!
//! Given both, the reference's sampler is a function of the logits alone. So a parting has two possible
//! causes: logits that differ, or another sampler. It is explained if the reference's sampler draws
//! the candidate's token from the candidate's logits, *and* these are no further from the reference's
//! than is allowed at any one place. The second half keeps a wrong engine from explaining its partings
//! by its own mistakes.

use super::logits;
use crate::array::Array;

/// Numbers that a recording keeps of a step.
const COLUMNS: usize = 9;

/// Smallest probability of the tokens among which the largest error of the logits is looked for: the
/// error of a token that is never drawn turns nothing.
const LIKELY: f64 = 1e-3;

/// A step of a candidate beside the same step of the reference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// What the exact engine, which stands for the reference, draws. It stands for it no longer where
    /// this is not the golden's token.
    pub exact: i64,
    /// What the candidate drew: a token, or the mark with which it would end.
    pub drawn: i64,
    /// What the reference's sampler draws from the candidate's logits.
    pub redrawn: i64,
    /// Kullback-Leibler divergence of the candidate's distribution from the reference's, in nats.
    pub kl: f32,
    /// Largest difference of the logarithms of the probabilities, among the tokens that are likely on
    /// either side.
    pub error: f32,
    /// By how much the logits would have to differ for another token to win the reference's draw, if
    /// the nucleus stays as it is.
    pub lead: f32,
    /// Whether both have the same likeliest token.
    pub same_top1: bool,
    /// Variance of the reference's logits, by its probabilities.
    pub variance: f32,
    /// Covariance of the candidate's logits with them, likewise.
    pub covariance: f32,
}

impl Step {
    /// A step from the `reference`'s and the `candidate`'s logits.
    pub fn new(
        (exact, drawn, redrawn): (i64, i64, i64),
        reference: &[f32],
        candidate: &[f32],
        lead: f32,
    ) -> Self {
        let same_top1 = logits::top(reference, 1) == logits::top(candidate, 1);
        let (zr, zc) = (
            logits::log_sum_exp(reference),
            logits::log_sum_exp(candidate),
        );
        let log_probs = reference
            .iter()
            .zip(candidate)
            .map(|(&r, &c)| (f64::from(r) - zr, f64::from(c) - zc));
        // The means cancel as in the probabilities: log p has no added constant.
        let error = log_probs
            .filter(|(r, c)| r.max(*c) >= LIKELY.ln())
            .map(|(r, c)| (c - r).abs())
            .fold(0.0, f64::max);
        let [variance, covariance] = logits::moments(reference, candidate);
        Self {
            exact,
            drawn,
            redrawn,
            kl: logits::divergence(reference, candidate) as f32,
            error: error as f32,
            lead,
            same_top1,
            variance: variance as f32,
            covariance: covariance as f32,
        }
    }

    /// Whether the logits explain what was drawn, at a place where a divergence of `allowed` nats is
    /// allowed.
    pub fn is_explained(&self, allowed: f64) -> bool {
        self.redrawn == self.drawn && f64::from(self.kl) <= allowed
    }

    /// Steps as a recording keeps them: a row of numbers each.
    pub fn to_array(steps: &[Self]) -> Array {
        let flag = |is: bool| f32::from(u8::from(is));
        let row = |s: &Self| {
            let ids = [s.exact, s.drawn, s.redrawn].map(|id| id as f32);
            let [exact, drawn, redrawn] = ids;
            [
                exact,
                drawn,
                redrawn,
                s.kl,
                s.error,
                s.lead,
                flag(s.same_top1),
                s.variance,
                s.covariance,
            ]
        };
        let values: Vec<f32> = steps.iter().flat_map(row).collect();
        // Whole rows fill the shape.
        Array::f32([steps.len(), COLUMNS], values).unwrap_or_else(|_| Array::vector(Vec::new()))
    }

    /// Steps out of a recording; `None` if they are not such rows.
    pub fn from_array(array: &Array) -> Option<Vec<Self>> {
        let &[_, COLUMNS] = array.shape() else {
            return None;
        };
        let rows = array.as_f32()?.chunks_exact(COLUMNS);
        rows.map(|row| {
            let &[
                exact,
                drawn,
                redrawn,
                kl,
                error,
                lead,
                top1,
                variance,
                covariance,
            ] = row
            else {
                return None;
            };
            Some(Self {
                exact: exact as i64,
                drawn: drawn as i64,
                redrawn: redrawn as i64,
                kl,
                error,
                lead,
                same_top1: top1 == 1.0,
                variance,
                covariance,
            })
        })
        .collect()
    }
}

/// A place where a candidate has another token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parting {
    /// The position, counted from 0.
    pub position: usize,
    /// Whether the logits explain it.
    pub explained: bool,
}

/// Where `candidate`, drawn step by step from the history of `golden`, is another token. `golden` ends
/// with its mark, if one ended it, and so does `candidate`.
///
/// A difference without a step that tells of it is unexplained, and so is any after a place where the
/// engine that stands for the reference did not draw the golden's token.
pub fn find(golden: &[i64], candidate: &[i64], steps: &[Step], allowed: f64) -> Vec<Parting> {
    let steps_of_golden = steps.iter().zip(golden);
    let holds = steps_of_golden.take_while(|(step, golden)| step.exact == **golden);
    let held = holds.count();
    let positions = 0..golden.len().max(candidate.len());
    let parted = positions.filter(|&at| golden.get(at) != candidate.get(at));
    parted
        .map(|position| {
            let found = candidate.get(position);
            let step = steps.get(position).filter(|_| position < held);
            let explained =
                step.is_some_and(|s| found == Some(&s.drawn) && s.is_explained(allowed));
            Parting {
                position,
                explained,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(exact: i64, drawn: i64, kl: f32) -> Step {
        Step {
            exact,
            drawn,
            redrawn: drawn,
            kl,
            error: 0.1,
            lead: 0.05,
            same_top1: true,
            variance: 1.0,
            covariance: 1.0,
        }
    }

    /// Whether the only parting is explained.
    fn explained(golden: &[i64], candidate: &[i64], steps: &[Step], allowed: f64) -> bool {
        let found = find(golden, candidate, steps, allowed);
        assert_eq!(found.len(), 1, "{found:?}");
        found[0].explained
    }

    #[test]
    fn a_parting_is_explained_by_an_error_of_the_logits_that_is_allowed_there() {
        let steps = [step(1, 1, 0.0), step(2, 9, 0.01), step(6562, 6562, 0.0)];
        let explained = |allowed| explained(&[1, 2, 6562], &[1, 9, 6562], &steps, allowed);
        assert!(explained(0.02));
        assert!(!explained(0.005), "the logits are too far away");
        assert!(!explained(f64::NAN), "no limit explains nothing");
    }

    #[test]
    fn another_sampler_is_not_explained_by_equal_logits() {
        let wrong = Step {
            redrawn: 2,
            ..step(2, 9, 0.0)
        };
        let steps = [step(1, 1, 0.0), wrong];
        assert!(!explained(&[1, 2], &[1, 9], &steps, 1.0));
    }

    #[test]
    fn what_no_step_tells_of_is_unexplained() {
        assert!(!explained(&[1, 2], &[1, 9], &[], 1.0));
        assert!(!explained(&[1, 2], &[1], &[], 1.0), "an earlier end");
        let other = [step(1, 1, 0.0), step(2, 8, 0.0)];
        assert!(!explained(&[1, 2], &[1, 9], &other, 1.0));
    }

    #[test]
    fn nothing_is_explained_after_the_exact_engine_has_left_the_golden() {
        let steps = [step(7, 1, 0.0), step(2, 9, 0.0)];
        assert!(!explained(&[1, 2], &[1, 9], &steps, 1.0));
    }

    #[test]
    fn steps_survive_a_recording() {
        let steps = [step(1, 6560, 0.25), step(6562, 2, f32::INFINITY)];
        assert_eq!(Step::from_array(&Step::to_array(&steps)).unwrap(), steps);
        assert_eq!(Step::from_array(&Array::vector(vec![0.0; 7])), None);
    }

    #[test]
    fn a_constant_on_all_logits_is_no_error() {
        let shifted = Step::new((0, 0, 0), &[1.0, 2.0], &[6.0, 7.0], 1.0);
        assert!(shifted.error < 1e-6 && shifted.kl < 1e-6, "{shifted:?}");
        let apart = Step::new((0, 0, 0), &[1.0, 2.0], &[1.0, 2.5], 1.0);
        assert!(apart.error > 0.1, "{apart:?}");
    }
}
