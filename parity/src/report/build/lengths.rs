use crate::array::Array;
use crate::judge::LoadedCase;
use crate::record::token_bounds;
use crate::recording::CaseRecord;
use crate::report::model::{Length, LengthParity, SegmentLengths};
use crate::stage::{Feed, Key, Stage};

impl LengthParity {
    /// Counts over the segments of all cases. None if no tokens were compared.
    pub(in crate::report) fn of(segments: Vec<SegmentLengths>) -> Option<Self> {
        let count = |same: fn(&SegmentLengths) -> bool| segments.iter().filter(|s| same(s)).count();
        let (same_length, same_tokens) =
            (count(SegmentLengths::same_length), count(|s| s.same_tokens));
        (!segments.is_empty()).then_some(Self {
            segments,
            same_length,
            same_tokens,
        })
    }
}

impl SegmentLengths {
    /// The segments of a case, from the cascaded recording, or from the isolated one if there is no
    /// cascaded one.
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
        let bounds = (!pieces).then(|| token_bounds(ids));
        Some(Self {
            case: case.name.clone(),
            segment,
            mode: case.mode_name(),
            pieces,
            speaker: case.speaker.as_ref().map(|s| s.name.clone()),
            seed: case.seed,
            feed,
            text_ids: ids,
            min_len: bounds.map(|(min, _)| min),
            max_len: bounds.map(|(_, max)| max),
            reference,
            candidate,
            same_tokens: tokens == own_tokens,
        })
    }
}

/// The length of a segment, and its tokens.
fn length(record: &CaseRecord, segment: usize) -> Option<(Length, &[i64])> {
    let ids = |stage| {
        let key = Key::segment(stage, segment);
        record.tensors.get(&key).and_then(Array::as_i64)
    };
    let tokens = ids(Stage::LlmTokens)?;
    let length = Length {
        raw: tokens.len(),
        kept: ids(Stage::LlmTokensKept).map(<[i64]>::len),
        stop: ids(Stage::LlmStop)
            .and_then(|stop| stop.first().copied())
            .filter(|mark| *mark >= 0),
    };
    Some((length, tokens))
}
