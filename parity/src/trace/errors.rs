use super::place::LogitError;
use crate::random::Random;

/// What may be added to exact logits, at one place: nothing, or an error of some size, with how
/// probable it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Possible<'a> {
    pub(super) error: Option<LogitError<'a>>,
    pub(super) weight: f64,
}

/// Sizes of errors, in multiples of those that were measured: how probable each is, and how many of the
/// measured ones are tried at every place. Large ones are tried too, so that what is not likely is
/// not called impossible.
const SIZES: [(f32, f64, usize); 4] = [
    (1.0, 0.4, 20),
    (2.0, 0.09, 15),
    (4.0, 0.0095, 12),
    (8.0, 0.0005, 10),
];
/// How probable no error is.
const NONE: f64 = 0.5;

/// Errors of an engine's logits, as they were measured at some places: each a vector over the whole
/// vocabulary, since errors of tokens that are alike are alike.
#[derive(Clone, Debug, Default)]
pub struct LogitErrors {
    /// Each with the largest of its values, without the sign.
    vectors: Vec<(Vec<f32>, f32)>,
    scale: f32,
}

impl LogitErrors {
    /// Errors as they were measured, multiplied by `scale`.
    pub fn new(vectors: Vec<Vec<f32>>, scale: f32) -> Self {
        let largest = |vector: &Vec<f32>| vector.iter().fold(0.0, |l: f32, x| l.max(x.abs()));
        let vectors = vectors.into_iter().map(|v| {
            let largest = largest(&v);
            (v, largest)
        });
        Self {
            vectors: vectors.collect(),
            scale,
        }
    }

    /// What the logits of a place may be wrong by. Which vectors are tried is drawn from `place`.
    pub(super) fn possible(&self, place: u64, times: f32) -> Vec<Possible<'_>> {
        let mut found = vec![Possible {
            error: None,
            weight: NONE,
        }];
        let mut random = Random::new(place);
        for (size, weight, count) in SIZES {
            for _ in 0..count {
                let bits = random.next_u64();
                let Some(at) = (bits >> 1).checked_rem(self.vectors.len() as u64) else {
                    continue;
                };
                let Some((vector, largest)) =
                    usize::try_from(at).ok().and_then(|at| self.vectors.get(at))
                else {
                    continue;
                };
                let sign = if bits & 1 == 0 { 1.0 } else { -1.0 };
                found.push(Possible {
                    error: Some(LogitError {
                        vector,
                        largest: *largest,
                        scale: sign * size * times * self.scale,
                    }),
                    weight: weight / count as f64,
                });
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_added_has_a_probability_of_one() {
        let errors = LogitErrors::new(vec![vec![1.0, 2.0], vec![0.0, -1.0]], 0.5);
        let possible = errors.possible(7, 1.0);
        let sum: f64 = possible.iter().map(|p| p.weight).sum();
        assert!((sum - 1.0).abs() < 1e-12, "{sum}");
        assert_eq!(possible.len(), 58);
        let largest = possible
            .iter()
            .filter_map(|p| p.error)
            .map(|e| e.scale.abs());
        assert_eq!(largest.fold(0.0, f32::max), 4.0);
    }

    #[test]
    fn without_measured_errors_the_logits_are_exact() {
        assert_eq!(LogitErrors::default().possible(7, 1.0).len(), 1);
    }
}
