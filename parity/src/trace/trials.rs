use serde::Serialize;

use super::evidence::Evidence;
use super::follow::Followed;

/// How often runs of some length are called different.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Power {
    /// Tokens of a run at most.
    pub tokens: usize,
    /// Runs, which have no list of tokens in common.
    pub runs: usize,
    /// Those that were called different.
    pub different: usize,
    /// Tokens after which half of these were.
    pub median: usize,
}

/// Cuts what was found into runs of about `tokens`, of whole texts each, and counts those that are
/// called different.
pub fn power<'a>(followed: impl IntoIterator<Item = &'a Followed>, tokens: usize) -> Power {
    let mut found = Power {
        tokens,
        ..Power::default()
    };
    let mut told = Vec::new();
    let mut evidence = Evidence::default();
    let (mut count, mut at) = (0, None);
    for followed in followed {
        evidence.begin_text();
        for ratios in &followed.ratios {
            evidence.push(ratios);
            count += 1;
            if at.is_none() && evidence.is_enough() {
                at = Some(count);
            }
            if count == tokens {
                found.runs += 1;
                told.extend(at);
                (evidence, count, at) = (Evidence::default(), 0, None);
                // The rest of the text would begin with random numbers that nobody knows.
                break;
            }
        }
    }
    told.sort_unstable();
    found.different = told.len();
    found.median = told.get(told.len() / 2).copied().unwrap_or(0);
    found
}
