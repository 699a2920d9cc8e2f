//! Where a token stands among all, as the reference samples: top-p 0.8, top-k 25.

use native::llm::SamplingConfig;

/// A token's place in the distribution that it was drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// Rank by probability, 0 being the likeliest.
    pub(super) rank: usize,
    /// How many tokens top-p alone leaves.
    pub(super) by_p: usize,
    /// How many tokens top-k leaves.
    pub(super) by_k: usize,
}

/// What a token lies outside of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Inside,
    OutsideP,
    OutsideK,
    OutsideBoth,
}

impl Standing {
    /// Where `token` stands by these logits; `masked` cannot be drawn.
    pub(super) fn of(logits: &[f32], token: i64, masked: Option<i64>) -> Option<Self> {
        let config = SamplingConfig::default();
        let index = usize::try_from(token).ok()?;
        let own = *logits.get(index)?;
        let masked = masked.and_then(|id| usize::try_from(id).ok());
        let drawn = logits.iter().copied().enumerate();
        let mut kept: Vec<(usize, f32)> = drawn.filter(|(i, _)| Some(*i) != masked).collect();
        let most = kept.iter().map(|(_, x)| *x).reduce(f32::max)?;
        if !most.is_finite() || kept.iter().any(|(_, x)| x.is_nan()) {
            return None;
        }
        let before = |&(i, x): &(usize, f32)| x > own || (x == own && i < index);
        let rank = kept.iter().filter(|entry| before(entry)).count();
        let weight = |x: f32| f64::from(x - most).exp();
        let total: f64 = kept.iter().map(|(_, x)| weight(*x)).sum();
        kept.sort_by(|a, b| b.1.total_cmp(&a.1));
        let mut sum = 0.0;
        let by_p = kept
            .iter()
            .take_while(|(_, x)| {
                let taken = sum < config.top_p;
                sum += weight(*x) / total;
                taken
            })
            .count();
        Some(Self {
            rank,
            by_p,
            by_k: config.top_k,
        })
    }

    /// The size of the nucleus.
    pub(super) fn nucleus(&self) -> usize {
        self.by_p.min(self.by_k)
    }

    pub(super) fn place(&self) -> Place {
        match (self.rank >= self.by_p, self.rank >= self.by_k) {
            (false, false) => Place::Inside,
            (true, false) => Place::OutsideP,
            (false, true) => Place::OutsideK,
            (true, true) => Place::OutsideBoth,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(probabilities: &[f32], token: i64) -> (usize, usize, Place) {
        let logits: Vec<f32> = probabilities.iter().map(|p| p.ln()).collect();
        let s = Standing::of(&logits, token, None).unwrap();
        (s.rank, s.nucleus(), s.place())
    }

    #[test]
    fn the_nucleus_takes_the_token_that_crosses_top_p() {
        let p = [0.1, 0.5, 0.25, 0.15];
        assert_eq!(place(&p, 1), (0, 3, Place::Inside));
        assert_eq!(place(&p, 3), (2, 3, Place::Inside));
        assert_eq!(place(&p, 0), (3, 3, Place::OutsideP));
    }

    #[test]
    fn of_a_flat_distribution_top_k_leaves_25() {
        let p = vec![0.01; 100];
        assert_eq!(place(&p, 24), (24, 25, Place::Inside));
        assert_eq!(place(&p, 25), (25, 25, Place::OutsideK));
        assert_eq!(place(&p, 99).2, Place::OutsideBoth);
    }

    #[test]
    fn what_is_masked_takes_no_place() {
        let logits = [5.0, 1.0, 0.0];
        let standing = Standing::of(&logits, 1, Some(0)).unwrap();
        assert_eq!((standing.rank, standing.place()), (0, Place::Inside));
        assert_eq!(Standing::of(&[f32::NAN, 1.0], 1, None), None);
        assert_eq!(Standing::of(&[1.0], 3, None), None);
    }
}
