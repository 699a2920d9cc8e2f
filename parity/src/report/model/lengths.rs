use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::case::ModeName;
use crate::stage::Feed;

/// How many tokens both sides sampled for each segment. A language model that stops too late or too
/// early shows here before anything else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LengthParity {
    /// Every segment whose tokens were sampled on both sides.
    pub segments: Vec<SegmentLengths>,
    /// How many segments have as many tokens as the reference's, raw and kept.
    pub same_length: usize,
    /// How many segments have exactly the reference's tokens.
    pub same_tokens: usize,
}

/// The lengths of one segment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SegmentLengths {
    /// The case.
    pub case: String,
    /// The segment, counted from 0.
    pub segment: usize,
    /// The case's mode.
    pub mode: ModeName,
    /// Whether the case's text arrived in pieces.
    pub pieces: bool,
    /// The case's saved speaker.
    pub speaker: Option<String>,
    /// The case's seed.
    pub seed: u64,
    /// The feed of the candidate's recording.
    pub feed: Feed,
    /// Number of text ids of the segment, without the prompt's.
    pub text_ids: usize,
    /// Fewest tokens allowed, which most of the reference's end marks ignore; none if the text
    /// arrives in pieces.
    pub min_len: Option<usize>,
    /// Most tokens allowed; none if the text arrives in pieces.
    pub max_len: Option<usize>,
    /// The reference's length.
    pub reference: Length,
    /// The candidate's length.
    pub candidate: Length,
    /// Whether the tokens are the same.
    pub same_tokens: bool,
}

/// How many tokens one side sampled for a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Length {
    /// Tokens as sampled.
    pub raw: usize,
    /// Tokens left after long silences are shortened; none if they were not recorded.
    pub kept: Option<usize>,
    /// The end mark; none if the largest number of tokens was reached, or if it is unknown.
    pub stop: Option<i64>,
}

impl LengthParity {
    /// How many times as many tokens the candidate sampled, over all segments.
    pub fn ratio(&self) -> f64 {
        let sum = |side: fn(&SegmentLengths) -> &Length| {
            let tokens = self.segments.iter().map(|s| side(s).raw as f64);
            tokens.sum::<f64>()
        };
        sum(|s| &s.candidate) / sum(|s| &s.reference).max(1.0)
    }

    /// The smallest and the largest number of tokens that the reference sampled for a segment.
    pub fn range(&self) -> (usize, usize) {
        let lengths = || self.segments.iter().map(|s| s.reference.raw);
        (lengths().min().unwrap_or(0), lengths().max().unwrap_or(0))
    }
}

impl SegmentLengths {
    /// Whether both sides have the same number of tokens, raw and kept as far as both say it.
    pub fn same_length(&self) -> bool {
        let kept = self.reference.kept.zip(self.candidate.kept);
        self.reference.raw == self.candidate.raw && kept.is_none_or(|(r, c)| r == c)
    }
}
