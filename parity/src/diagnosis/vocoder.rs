//! The vocoder: whether its values come late, and which of its parts fails first.

use super::cause::{Cause, Clue};
use super::evidence::Evidence;
use crate::metric::Metric;
use crate::stage::{Key, Stage};

/// Frames by which an F0 may be late through a convolution that is padded on the other side.
const MOST_LATE: i64 = 8;
/// Share of the error's energy that may be left once the F0 was moved.
const LEFT: f64 = 0.3;

pub(super) fn clues(evidence: &Evidence<'_>) -> Vec<Clue> {
    // What was fed with another mel says nothing of the vocoder.
    let fed = evidence.fails(Stage::FlowMel) && evidence.failing_cell(Stage::FlowMel).is_some();
    let isolated = |stage| {
        evidence
            .failing_cell(stage)
            .is_some_and(|(feed, _)| feed == crate::stage::Feed::Isolated)
    };
    let own = |stage| evidence.fails(stage) && (!fed || isolated(stage));
    let clue = |cause, stage, sign: String| vec![Clue { cause, stage, sign }];
    if own(Stage::VocoderF0) {
        let late = (0..evidence.golden.segments()).find_map(|s| late_f0(evidence, s));
        return late.map_or_else(Vec::new, |frames| {
            let (size, word) = (frames.abs(), if frames > 0 { "late" } else { "early" });
            let plural = if size == 1 { "" } else { "s" };
            let sign = format!("the F0 comes {size} frame{plural} too {word}");
            clue(Cause::PaddingSide, Stage::VocoderF0, sign)
        });
    }
    if own(Stage::VocoderSource) {
        let sign = match evidence.passes(Stage::VocoderF0) {
            true => "the F0 that it is computed from passes",
            false => "the F0 that it is computed from is not recorded",
        };
        return clue(Cause::Phase, Stage::VocoderSource, sign.into());
    }
    if own(Stage::VocoderWav) {
        let lag = evidence.worst(Stage::VocoderWav, Metric::Lag);
        if let Some(lag) = lag.filter(|lag| *lag != 0.0) {
            let sign = format!("the waveform comes {lag:.0} samples late");
            return clue(Cause::PaddingSide, Stage::VocoderWav, sign);
        }
    }
    Vec::new()
}

/// By how many frames the candidate's F0 comes late, if that is what is wrong with it.
fn late_f0(evidence: &Evidence<'_>, segment: usize) -> Option<i64> {
    let (_, r, c) = evidence.floats(&Key::segment(Stage::VocoderF0, segment))?;
    let error = |late: i64| {
        let pairs = (0i64..).zip(r).filter_map(|(i, r)| {
            let at = usize::try_from(i + late).ok()?;
            Some((*r, *c.get(at)?))
        });
        let (sum, count) = pairs.fold((0.0, 0usize), |(sum, count), (r, c)| {
            (sum + f64::from(c - r).powi(2), count + 1)
        });
        sum / count.max(1) as f64
    };
    let unmoved = error(0);
    let best = (-MOST_LATE..=MOST_LATE).min_by(|a, b| error(*a).total_cmp(&error(*b)))?;
    (best != 0 && unmoved > 0.0 && error(best) < LEFT * unmoved).then_some(best)
}
