//! Texts, character by character.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use similar::{Algorithm, ChangeTag, TextDiff as Lines};

use crate::metric::{Measures, Metric, measures};

/// How two lists of texts differ.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TextDiff {
    /// Text by text.
    pub pairs: Vec<TextPair>,
    /// Edits and the difference of the counts.
    pub measures: Measures,
}

/// A text of the reference and its counterpart of the candidate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TextPair {
    /// Whether they are equal. A missing text differs even from an empty one.
    pub same: bool,
    /// The runs of characters that make up both.
    pub runs: Vec<Run>,
}

/// A run of characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// Which side has it.
    pub side: Side,
    /// The characters.
    pub text: String,
}

/// Which side has a run of characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// Both.
    Both,
    /// Only the reference.
    Reference,
    /// Only the candidate.
    Candidate,
}

/// Compares the texts pairwise; all characters of an extra text count as edits.
pub fn diff(reference: &[&str], candidate: &[&str]) -> TextDiff {
    let n = reference.len().max(candidate.len());
    let pairs: Vec<_> = (0..n)
        .map(|i| pair(reference.get(i).copied(), candidate.get(i).copied()))
        .collect();
    let edited = |run: &&Run| run.side != Side::Both;
    let runs = pairs.iter().flat_map(|p| &p.runs).filter(edited);
    let edits: usize = runs.map(|r| r.text.chars().count()).sum();
    let count = reference.len().abs_diff(candidate.len());
    let measures = measures([
        (Metric::CountDifference, count as f64),
        (Metric::TextEdits, edits as f64),
    ]);
    TextDiff { pairs, measures }
}

fn pair(reference: Option<&str>, candidate: Option<&str>) -> TextPair {
    let (r, c) = (reference.unwrap_or_default(), candidate.unwrap_or_default());
    let lines = Lines::configure()
        .algorithm(Algorithm::Myers)
        .diff_chars(r, c);
    let mut runs: Vec<Run> = Vec::new();
    for change in lines.iter_all_changes() {
        let side = match change.tag() {
            ChangeTag::Equal => Side::Both,
            ChangeTag::Delete => Side::Reference,
            ChangeTag::Insert => Side::Candidate,
        };
        match runs.last_mut() {
            Some(run) if run.side == side => run.text.push_str(change.value()),
            _ => runs.push(Run {
                side,
                text: change.value().to_owned(),
            }),
        }
    }
    TextPair {
        same: reference == candidate,
        runs,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_changed_characters_are_found() {
        let d = diff(&["two point 5 km"], &["two point five km"]);
        assert_eq!(d.measures[&Metric::TextEdits].0, 5.0);
        let only = |side| {
            d.pairs[0]
                .runs
                .iter()
                .filter(|r| r.side == side)
                .map(|r| &*r.text)
                .collect::<String>()
        };
        assert_eq!(
            (only(Side::Reference), only(Side::Candidate)),
            ("5".into(), "five".into())
        );
    }

    #[test]
    fn equal_texts_have_no_edits_and_an_absent_text_differs_from_an_empty_one() {
        assert!(diff(&["收到"], &["收到"]).pairs[0].same);
        let d = diff(&["a"], &["a", ""]);
        assert_eq!(d.measures[&Metric::CountDifference].0, 1.0);
        assert!(!d.pairs[1].same);
    }

    #[test]
    fn a_combining_mark_is_a_character_of_its_own() {
        assert_eq!(
            diff(&["e\u{301}"], &["é"]).measures[&Metric::TextEdits].0,
            3.0
        );
    }
}
