use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::case::Mode;
use crate::stage::Feed;

/// How long both sides speak, segment by segment: a language model that runs on, or breaks off,
/// shows here before anything else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LengthParity {
    /// Every segment whose tokens were sampled on both sides.
    pub segments: Vec<SegmentLengths>,
    /// Those of them in which the candidate's tokens are as many as the reference's, raw and kept.
    pub same_length: usize,
    /// Those of them in which the tokens themselves are the same.
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
    pub mode: Mode,
    /// Whether its text arrived in pieces.
    pub pieces: bool,
    /// Its saved speaker.
    pub speaker: Option<String>,
    /// Its seed.
    pub seed: u64,
    /// Which recording of the candidate it is.
    pub feed: Feed,
    /// Ids of the segment's text, without the prompt's.
    pub text_ids: usize,
    /// Fewest tokens, as far as the reference holds them to it: most of its marks end the speech
    /// before; none where text arrives in pieces.
    pub min_len: Option<usize>,
    /// Most tokens; none where text arrives in pieces.
    pub max_len: Option<usize>,
    /// The reference's.
    pub reference: Length,
    /// The candidate's.
    pub candidate: Length,
    /// Whether the tokens are the same.
    pub same_tokens: bool,
}

/// How many tokens one side sampled for a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Length {
    /// As sampled.
    pub raw: usize,
    /// Without the rest of long silences.
    pub kept: usize,
    /// The mark that ended them; none where their greatest number did, or where it is unknown.
    pub stop: Option<i64>,
}

impl LengthParity {
    /// The smallest and the largest number of tokens that the reference sampled for a segment.
    pub fn range(&self) -> (usize, usize) {
        let lengths = || self.segments.iter().map(|s| s.reference.raw);
        (lengths().min().unwrap_or(0), lengths().max().unwrap_or(0))
    }
}

impl SegmentLengths {
    /// Whether both sides have as many tokens, raw and kept.
    pub fn same_length(&self) -> bool {
        let lengths = |l: &Length| (l.raw, l.kept);
        lengths(&self.reference) == lengths(&self.candidate)
    }
}
