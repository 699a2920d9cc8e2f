use super::suspect::Suspect;

/// The probability with which a right engine is called different.
const FALSE_ALARMS: f64 = 1e-3;

/// How often, per token, an engine may leave the reference's random numbers: tried all at once.
const HAZARDS: [f64; 3] = [1e-3, 1e-2, 1e-1];

/// How much more probable tokens are by each suspect than by a right engine, token by token.
///
/// Each ratio, and so their mean, is a test martingale: for a right engine it is expected to stay at 1,
/// and the probability that it ever reaches *x* is at most 1/*x* (Ville's inequality). So it may be looked
/// at after every token.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// Logarithms of the ratios, in the order of [`Suspect::ALL`]. That of other random numbers
    /// has a value for each hazard.
    of: Vec<f64>,
    other: [Other; HAZARDS.len()],
}

/// One hazard's ratio, as a logarithm, and how much of it is an engine that has not left the
/// reference's numbers in this text, and one that has.
#[derive(Clone, Copy, Debug, Default)]
struct Other {
    ratio: f64,
    together: f64,
    apart: f64,
}

impl Default for Evidence {
    fn default() -> Self {
        let mut evidence = Self {
            of: vec![0.0; Suspect::ALL.len()],
            other: [Other::default(); HAZARDS.len()],
        };
        evidence.begin_text();
        evidence
    }
}

impl Evidence {
    /// A text begins: its generator is the reference's again.
    pub(super) fn begin_text(&mut self) {
        for other in &mut self.other {
            (other.together, other.apart) = (1.0, 0.0);
        }
    }

    /// A token follows: `ratios` are the logarithms, in the order of [`Suspect::ALL`].
    pub(super) fn push(&mut self, ratios: &[f32]) {
        for ((sum, &ratio), suspect) in self.of.iter_mut().zip(ratios).zip(Suspect::ALL) {
            if suspect != Suspect::OtherNumbers {
                *sum += f64::from(ratio);
                continue;
            }
            for (other, hazard) in self.other.iter_mut().zip(HAZARDS) {
                // The token that parts is already drawn with other numbers.
                let ratio = f64::from(ratio).exp();
                other.apart = (other.apart + hazard * other.together) * ratio;
                other.together *= 1.0 - hazard;
                let sum = other.together + other.apart;
                other.ratio += sum.ln();
                other.together /= sum;
                other.apart /= sum;
            }
        }
    }

    /// Whether it is enough to call the engine different.
    pub(super) fn is_enough(&self) -> bool {
        self.overall() >= -FALSE_ALARMS.log10()
    }

    /// Each suspect's ratio, as a decimal logarithm.
    pub fn of_each(&self) -> Vec<(Suspect, f64)> {
        let decimal = |suspect: Suspect, sum: f64| match suspect {
            Suspect::OtherNumbers => mean(self.other.iter().map(|o| o.ratio)),
            _ => sum,
        };
        let each = Suspect::ALL.into_iter().zip(&self.of);
        each.map(|(suspect, &sum)| (suspect, decimal(suspect, sum) / std::f64::consts::LN_10))
            .collect()
    }

    /// The mean ratio, as a decimal logarithm: what an engine that is right reaches a value of *x* in
    /// with a probability of at most 10^-*x*.
    pub fn overall(&self) -> f64 {
        let each = self.of_each();
        mean(each.iter().map(|(_, log)| log * std::f64::consts::LN_10)) / std::f64::consts::LN_10
    }
}

/// The logarithm of the mean of numbers whose logarithms are given.
fn mean(logs: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = logs.clone().fold(f64::NEG_INFINITY, f64::max);
    let count = logs.clone().count().max(1) as f64;
    largest + (logs.map(|log| (log - largest).exp()).sum::<f64>() / count).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratios(of: impl Fn(Suspect) -> f32) -> Vec<f32> {
        Suspect::ALL.map(of).to_vec()
    }

    #[test]
    fn tokens_that_all_explain_alike_are_no_evidence() {
        let mut evidence = Evidence::default();
        for _ in 0..100 {
            evidence.push(&ratios(|_| 0.0));
        }
        assert!(evidence.overall().abs() < 1e-9, "{}", evidence.overall());
    }

    #[test]
    fn what_one_suspect_explains_alone_tells_of_it() {
        let guilty = Suspect::ALL[1];
        let mut evidence = Evidence::default();
        for at in 0..300 {
            let odd = at % 100 == 99;
            evidence.push(&ratios(|s| if odd && s == guilty { 6.0 } else { -0.0001 }));
        }
        assert!(evidence.overall() > 3.0, "{}", evidence.overall());
        let most = evidence
            .of_each()
            .into_iter()
            .max_by(|a, b| a.1.total_cmp(&b.1));
        assert_eq!(most.unwrap().0, guilty);
    }

    #[test]
    fn an_engine_that_leaves_the_numbers_in_every_text_is_told_after_few_tokens() {
        let mut evidence = Evidence::default();
        // Right for thirty tokens, then never: a right token is a hundredth as probable by chance.
        let chance = |right: bool| if right { -4.6 } else { 6.9 };
        for _ in 0..3 {
            evidence.begin_text();
            for at in 0..34 {
                let other = |s| {
                    if s == Suspect::OtherNumbers {
                        chance(at < 30)
                    } else {
                        0.0
                    }
                };
                evidence.push(&ratios(other));
            }
        }
        assert!(evidence.overall() > 3.0, "{}", evidence.overall());
    }
}
