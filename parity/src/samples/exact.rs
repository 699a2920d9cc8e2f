use serde::Serialize;

use super::Samples;

/// How many draws of the golden's own seeds are the golden's, token by token: where an engine draws
/// torch's numbers, a stronger statement than any distribution.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Exact {
    /// Draws of a text and seed that both sides have.
    pub shared: usize,
    /// Those that are equal, with what ended them.
    pub equal: usize,
    /// The first that is not: its case, its seed, and the first token that differs.
    pub first_other: Option<(String, u64, usize)>,
}

impl Exact {
    /// Whether there are some, and all are equal.
    pub fn holds(&self) -> bool {
        self.shared > 0 && self.equal == self.shared
    }

    /// Counts them. Both sides have the same texts in the same order.
    pub(super) fn of(golden: &Samples, candidate: &Samples) -> Self {
        let mut exact = Self::default();
        let cases = golden.manifest.cases.iter();
        for (case, (ours, theirs)) in cases.zip(golden.texts.iter().zip(&candidate.texts)) {
            for (seed, draw) in candidate.manifest.seeds.iter().zip(&theirs.draws) {
                let at = golden.manifest.seeds.iter().position(|s| s == seed);
                let Some(own) = at.and_then(|at| ours.draws.get(at)) else {
                    continue;
                };
                exact.shared += 1;
                if (&own.tokens, own.stop) == (&draw.tokens, draw.stop) {
                    exact.equal += 1;
                } else if exact.first_other.is_none() {
                    let pairs = own.tokens.iter().zip(&draw.tokens);
                    let same = pairs.take_while(|(a, b)| a == b).count();
                    exact.first_other = Some((case.case.name.clone(), *seed, same));
                }
            }
        }
        exact
    }
}
