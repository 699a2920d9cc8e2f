use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::cause::{Cause, Clue};
use crate::judge::CaseOutcome;
use crate::stage::Stage;

/// A mistake whose signs cases have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Likely {
    /// The mistake.
    pub cause: Cause,
    /// The stage in which it shows.
    pub stage: Stage,
    /// The cases that have its signs.
    pub cases: Vec<String>,
    /// What was seen in the first of them.
    pub sign: String,
}

/// The mistakes that all cases together have the signs of: by the stage in which they show, what
/// more cases show first, and of equals what proves more.
pub fn likely<'a>(
    cases: impl Iterator<Item = (&'a CaseOutcome, &'a [Clue])> + Clone,
) -> Vec<Likely> {
    let mut found: BTreeMap<Cause, Likely> = BTreeMap::new();
    let all = cases.clone();
    for (name, clue) in all.flat_map(|(c, clues)| clues.iter().map(|clue| (&c.name, clue))) {
        let Clue { cause, stage, sign } = clue;
        let likely = found.entry(*cause).or_insert_with(|| Likely {
            cause: *cause,
            stage: *stage,
            cases: Vec::new(),
            sign: sign.clone(),
        });
        likely.cases.push(name.clone());
    }
    joined(&mut found);
    // Other logits draw other tokens, in the cases too of which no logits are kept.
    if cases
        .clone()
        .any(|(c, _)| c.first_introduced == Some(Stage::LlmLogits))
    {
        found.retain(|cause, likely| likely.stage != Stage::LlmTokens || cause.is_evident());
    }
    let first: BTreeSet<Stage> = cases.filter_map(|(c, _)| c.first_introduced).collect();
    let mut all: Vec<_> = found.into_values().collect();
    for likely in &mut all {
        likely.cases.dedup();
    }
    // What shows in a stage that some case is blamed on comes before what follows from it, and a
    // mistake that most cases show before one that few do, unless its sign is a sign of it alone.
    all.sort_by_key(|l| {
        let blamed = !first.contains(&l.stage);
        let cases = Reverse(l.cases.len());
        (blamed, l.stage, !l.cause.is_evident(), cases, l.cause)
    });
    all
}

/// Tokens beyond top-p alone and tokens beyond top-k alone are of a sampler that has neither; and
/// where tokens break a rule, it matters less with which numbers the others were drawn.
fn joined(found: &mut BTreeMap<Cause, Likely>) {
    let has = |found: &BTreeMap<Cause, Likely>, cause| found.contains_key(&cause);
    let both = has(found, Cause::NoTopP) && has(found, Cause::NoTopK);
    if both || has(found, Cause::NoNucleus) {
        let parts = [Cause::NoTopP, Cause::NoTopK].into_iter();
        let parts: Vec<_> = parts.filter_map(|cause| found.remove(&cause)).collect();
        for part in parts {
            let whole = found.entry(Cause::NoNucleus).or_insert_with(|| Likely {
                cause: Cause::NoNucleus,
                cases: Vec::new(),
                ..part.clone()
            });
            whole.cases.extend(part.cases);
        }
    }
    // A likeliest token is also one that other numbers draw.
    if has(found, Cause::OtherNumbers)
        && let Some(greedy) = found.remove(&Cause::Greedy)
        && let Some(other) = found.get_mut(&Cause::OtherNumbers)
    {
        other.cases.extend(greedy.cases);
    }
}
