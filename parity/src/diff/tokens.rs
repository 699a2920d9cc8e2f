//! Token lists: lengths, the first mismatch, the edit distance and its alignment.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::metric::{Measures, Metric, Value, measures};

/// Largest table, in cells of one byte, for which the alignment is kept beside the distance.
const ALIGNED_CELLS: usize = 100_000_000;

/// How two token lists differ.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TokenDiff {
    /// Tokens of the reference.
    pub reference_len: usize,
    /// Tokens of the candidate.
    pub candidate_len: usize,
    /// The first position at which they differ, if they do.
    pub first_mismatch: Option<Mismatch>,
    /// The cheapest edits from one to the other, in order; empty for lists beyond 10,000 tokens.
    pub alignment: Vec<Step>,
    /// Lengths and the edit distance.
    pub measures: Measures,
}

/// The first difference of two token lists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Mismatch {
    /// The position, counted from 0.
    pub position: usize,
    /// The reference's token; none if its list ends here.
    pub reference: Option<i64>,
    /// The candidate's token; none if its list ends here.
    pub candidate: Option<i64>,
    /// How likely both were, if logits of this position were kept. If a list ends here, the mark
    /// that ended it counts as its token.
    pub choice: Option<Choice>,
    /// How the candidate drew its token, if it recorded that.
    #[serde(default)]
    pub draw: Option<DrawRecord>,
}

/// How a sampled token was drawn, and how small a change would have drawn another one. Leads and
/// gaps are differences of logits, except `size_gap`, a difference of probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DrawRecord {
    /// The token drawn from the nucleus.
    pub from_nucleus: i64,
    /// The number of tokens in the nucleus.
    pub nucleus_len: usize,
    /// The lead of the winner over the runner-up.
    pub nucleus_lead: Value,
    /// The smallest gap between neighbours in the nucleus, whose order decides which random
    /// number each token gets.
    pub order_gap: Value,
    /// The distance of the nucleus' sum from `top_p`.
    pub size_gap: Value,
    /// The lead in the draw from the whole vocabulary, if the token had been repeated.
    pub vocabulary_lead: Option<Value>,
}

impl DrawRecord {
    /// Reads a draw from a recording: the fields in order, NaN for an absent one.
    pub fn from_values(values: &[f32]) -> Option<Self> {
        let &[from_nucleus, len, lead, order, size, vocabulary] = values else {
            return None;
        };
        let value = |x: f32| Value(f64::from(x));
        Some(Self {
            from_nucleus: from_nucleus as i64,
            nucleus_len: len as usize,
            nucleus_lead: value(lead),
            order_gap: value(order),
            size_gap: value(size),
            vocabulary_lead: (!vocabulary.is_nan()).then(|| value(vocabulary)),
        })
    }

    /// The smallest of the gaps and leads: logits that differ by less draw the same token.
    pub fn margin(&self) -> f64 {
        let vocabulary = self.vocabulary_lead.map_or(f64::INFINITY, |v| v.0);
        [self.nucleus_lead, self.order_gap, self.size_gap]
            .into_iter()
            .fold(vocabulary, |least, v| least.min(v.0))
    }
}

/// The side that logits are from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Whose {
    /// The reference's.
    #[default]
    Reference,
    /// The candidate's, if the golden keeps none of this position.
    Candidate,
}

/// How likely two tokens were at one position.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Choice {
    /// The side whose logits were used.
    #[serde(default)]
    pub logits: Whose,
    /// Rank of the reference's token by its logit, 0 being the likeliest.
    pub reference_rank: usize,
    /// Rank of the candidate's token.
    pub candidate_rank: usize,
    /// Logit of the reference's token less that of the candidate's: near 0 is a near-tie.
    pub margin: f64,
}

/// A run of equal edits in an alignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// The edit.
    pub edit: Edit,
    /// The number of tokens.
    pub len: usize,
}

/// What turns the reference into the candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Edit {
    /// Both have the token.
    Keep,
    /// The candidate has a different token.
    Replace,
    /// Only the reference has it.
    Delete,
    /// Only the candidate has it.
    Insert,
}

/// Compares two token lists.
pub fn diff(reference: &[i64], candidate: &[i64]) -> TokenDiff {
    let (n, m) = (reference.len(), candidate.len());
    let same = reference
        .iter()
        .zip(candidate)
        .take_while(|(a, b)| a == b)
        .count();
    let first_mismatch = (same < n.max(m)).then(|| Mismatch {
        position: same,
        reference: reference.get(same).copied(),
        candidate: candidate.get(same).copied(),
        choice: None,
        draw: None,
    });
    let (r, c) = (&reference[same..], &candidate[same..]);
    let tail = r
        .iter()
        .rev()
        .zip(c.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let (r, c) = (&r[..r.len() - tail], &c[..c.len() - tail]);
    let (distance, middle) = levenshtein(r, c);
    let mut alignment = Vec::new();
    if let Some(middle) = middle {
        let kept = |len| std::iter::repeat_n(Edit::Keep, len);
        for edit in kept(same).chain(middle).chain(kept(tail)) {
            match alignment.last_mut() {
                Some(Step { edit: last, len }) if *last == edit => *len += 1,
                _ => alignment.push(Step { edit, len: 1 }),
            }
        }
    }
    let measures = measures([
        (Metric::LengthDifference, n.abs_diff(m) as f64),
        (Metric::EditDistance, distance as f64),
    ]);
    TokenDiff {
        reference_len: n,
        candidate_len: m,
        first_mismatch,
        alignment,
        measures,
    }
}

/// The distance, and the edits in order unless there are too many cells to keep.
fn levenshtein(r: &[i64], c: &[i64]) -> (usize, Option<Vec<Edit>>) {
    let width = c.len() + 1;
    let keep = (r.len() + 1).saturating_mul(width) <= ALIGNED_CELLS;
    let mut cells = Vec::new();
    let mut above: Vec<usize> = (0..width).collect();
    for (i, a) in r.iter().enumerate() {
        let mut row = Vec::with_capacity(width);
        row.push(i + 1);
        for (j, b) in c.iter().enumerate() {
            let (edit, cost) = if a == b {
                (Edit::Keep, 0)
            } else {
                (Edit::Replace, 1)
            };
            let ways = [
                (above[j] + cost, edit),
                (above[j + 1] + 1, Edit::Delete),
                (row[j] + 1, Edit::Insert),
            ];
            let best = ways
                .into_iter()
                .fold(ways[0], |x, y| if y.0 < x.0 { y } else { x });
            row.push(best.0);
            if keep {
                cells.push(best.1);
            }
        }
        above = row;
    }
    let distance = above[c.len()];
    if !keep {
        return (distance, None);
    }
    let (mut i, mut j) = (r.len(), c.len());
    let mut edits = Vec::new();
    while i > 0 || j > 0 {
        let edit = match (i, j) {
            (0, _) => Edit::Insert,
            (_, 0) => Edit::Delete,
            _ => cells[(i - 1) * c.len() + j - 1],
        };
        i -= usize::from(edit != Edit::Insert);
        j -= usize::from(edit != Edit::Delete);
        edits.push(edit);
    }
    edits.reverse();
    (distance, Some(edits))
}

/// How likely `reference` and `candidate` were, by the `logits` of their position; `None` for a
/// token outside the vocabulary.
pub fn choice(whose: Whose, logits: &[f32], reference: i64, candidate: i64) -> Option<Choice> {
    let at = |token: i64| {
        usize::try_from(token)
            .ok()
            .and_then(|t| logits.get(t))
            .copied()
    };
    let (r, c) = (at(reference)?, at(candidate)?);
    let rank = |x: f32| logits.iter().filter(|&&y| y > x).count();
    Some(Choice {
        logits: whose,
        reference_rank: rank(r),
        candidate_rank: rank(c),
        margin: f64::from(r) - f64::from(c),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn distance(a: &[i64], b: &[i64]) -> f64 {
        diff(a, b).measures[&Metric::EditDistance].0
    }

    #[test]
    fn distances_match_the_textbook() {
        let ids = |s: &str| s.bytes().map(i64::from).collect::<Vec<_>>();
        assert_eq!(distance(&ids("kitten"), &ids("sitting")), 3.0);
        assert_eq!(distance(&ids("intention"), &ids("execution")), 5.0);
        assert_eq!(distance(&[], &ids("abc")), 3.0);
        assert_eq!(distance(&[], &[]), 0.0);
    }

    #[test]
    fn one_swapped_token_is_located_exactly() {
        let d = diff(&[1, 2, 3, 4], &[1, 2, 9, 4]);
        let mismatch = d.first_mismatch.unwrap();
        assert_eq!(
            (mismatch.position, mismatch.reference, mismatch.candidate),
            (2, Some(3), Some(9))
        );
        let steps: Vec<_> = d.alignment.iter().map(|s| (s.edit, s.len)).collect();
        assert_eq!(
            steps,
            [(Edit::Keep, 2), (Edit::Replace, 1), (Edit::Keep, 1)]
        );
    }

    #[test]
    fn a_longer_list_differs_where_the_other_ends() {
        let mismatch = diff(&[1, 2], &[1, 2, 3]).first_mismatch.unwrap();
        assert_eq!(
            (mismatch.position, mismatch.reference, mismatch.candidate),
            (2, None, Some(3))
        );
    }

    #[test]
    fn a_near_tie_shows_in_the_margin() {
        let c = choice(Whose::Reference, &[0.0, 2.0, 1.5, 3.0], 1, 2).unwrap();
        assert_eq!((c.reference_rank, c.candidate_rank, c.margin), (1, 2, 0.5));
        assert_eq!(choice(Whose::Reference, &[0.0], 0, 7), None);
        assert_eq!(choice(Whose::Reference, &[0.0], -1, 0), None);
    }

    #[test]
    fn a_draw_is_as_close_as_its_closest_gap() {
        let draw = |vocabulary| DrawRecord::from_values(&[7.0, 3.0, 0.5, 0.25, 0.375, vocabulary]);
        let drawn = draw(f32::NAN).unwrap();
        assert_eq!((drawn.from_nucleus, drawn.nucleus_len), (7, 3));
        assert_eq!((drawn.vocabulary_lead, drawn.margin()), (None, 0.25));
        assert_eq!(draw(0.125).unwrap().margin(), 0.125);
        assert_eq!(DrawRecord::from_values(&[1.0]), None);
    }

    proptest! {
        #[test]
        fn the_alignment_spells_both_lists(
            a in prop::collection::vec(0i64..4, 0..20),
            b in prop::collection::vec(0i64..4, 0..20),
        ) {
            let d = diff(&a, &b);
            let (mut i, mut j, mut cost) = (0, 0, 0);
            for step in &d.alignment {
                for _ in 0..step.len {
                    match step.edit {
                        Edit::Keep => prop_assert_eq!(a[i], b[j]),
                        Edit::Replace => prop_assert_ne!(a[i], b[j]),
                        Edit::Delete | Edit::Insert => {}
                    }
                    i += usize::from(step.edit != Edit::Insert);
                    j += usize::from(step.edit != Edit::Delete);
                    cost += usize::from(step.edit != Edit::Keep);
                }
            }
            prop_assert_eq!((i, j), (a.len(), b.len()));
            prop_assert_eq!(cost as f64, d.measures[&Metric::EditDistance].0);
            prop_assert_eq!(d.first_mismatch.is_none(), a == b);
            prop_assert_eq!(distance(&b, &a), cost as f64);
        }
    }
}
