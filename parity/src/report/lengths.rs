use native::llm::LmPrompt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::array::Array;
use crate::case::ModeName;
use crate::judge::LoadedCase;
use crate::recording::CaseRecord;
use crate::stage::{Feed, Key, Stage};

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
    pub mode: ModeName,
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
    /// Sums up the segments of all cases; nothing if no tokens were compared.
    pub(super) fn of(segments: Vec<SegmentLengths>) -> Option<Self> {
        let count = |same: fn(&SegmentLengths) -> bool| segments.iter().filter(|s| same(s)).count();
        let (same_length, same_tokens) =
            (count(SegmentLengths::same_length), count(|s| s.same_tokens));
        (!segments.is_empty()).then_some(Self {
            segments,
            same_length,
            same_tokens,
        })
    }

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

    /// The segments of a case. The cascaded recording is what is heard; the isolated one stands
    /// in where there is none.
    pub(super) fn of_case(loaded: &LoadedCase<'_>) -> Vec<Self> {
        let Ok(golden) = &loaded.golden else {
            return Vec::new();
        };
        let feeds = [Feed::Cascaded, Feed::Isolated];
        let candidate = feeds
            .into_iter()
            .find_map(|feed| Some((feed, loaded.candidate(feed)?)));
        let Some((feed, candidate)) = candidate else {
            return Vec::new();
        };
        let segments = 0..golden.segments();
        segments
            .filter_map(|segment| Self::of_segment(golden, candidate, feed, segment))
            .collect()
    }

    fn of_segment(
        golden: &CaseRecord,
        candidate: &CaseRecord,
        feed: Feed,
        segment: usize,
    ) -> Option<Self> {
        let case = &golden.case.case;
        let ids = golden.text.segments.get(segment)?.ids.len();
        let (reference, tokens) = length(golden, segment)?;
        let (candidate, own_tokens) = length(candidate, segment)?;
        let pieces = case.in_pieces();
        let bounds = LmPrompt {
            text_ids: vec![0; ids],
            ..LmPrompt::default()
        };
        Some(Self {
            case: case.name.clone(),
            segment,
            mode: case.mode_name(),
            pieces,
            speaker: case.speaker.as_ref().map(|s| s.name.clone()),
            seed: case.seed,
            feed,
            text_ids: ids,
            min_len: (!pieces).then(|| bounds.min_len()),
            max_len: (!pieces).then(|| bounds.max_len()),
            reference,
            candidate,
            same_tokens: tokens == own_tokens,
        })
    }
}

/// How long a segment is, and its tokens.
fn length(record: &CaseRecord, segment: usize) -> Option<(Length, &[i64])> {
    let ids = |stage| {
        let key = Key::segment(stage, segment);
        record.tensors.get(&key).and_then(Array::as_i64)
    };
    let tokens = ids(Stage::LlmTokens)?;
    let length = Length {
        raw: tokens.len(),
        kept: ids(Stage::LlmTokensKept)?.len(),
        stop: ids(Stage::LlmStop)
            .and_then(|stop| stop.first().copied())
            .filter(|mark| *mark >= 0),
    };
    Some((length, tokens))
}
