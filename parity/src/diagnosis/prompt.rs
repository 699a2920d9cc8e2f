//! The prompt's features: which of them fail together.

use super::cause::{Cause, Clue};
use super::evidence::Evidence;
use crate::stage::{Key, Stage};

/// Share of the error's energy that may be left once every channel has lost its own mean error, for
/// the filters to be scaled otherwise. A factor on a filter is a constant in its log, except where
/// the log is clipped.
const LEFT: f64 = 0.25;

pub(super) fn clues(evidence: &Evidence<'_>) -> Vec<Clue> {
    let features = [
        Stage::PromptMel,
        Stage::PromptWhisperMel,
        Stage::PromptFbank,
    ];
    let failing: Vec<_> = features
        .into_iter()
        .filter(|s| evidence.fails(*s))
        .collect();
    let clue = |cause, stage, sign: String| Clue { cause, stage, sign };
    let mut clues = Vec::new();
    match failing.as_slice() {
        [] => {}
        [Stage::PromptMel] => clues.extend(
            scaled_filters(evidence).map(|sign| clue(Cause::MelNorm, Stage::PromptMel, sign)),
        ),
        [_] => {}
        [first, ..] => {
            let names: Vec<_> = failing.iter().map(Stage::to_string).collect();
            let sign = format!("{} fail together", names.join(", "));
            clues.push(clue(Cause::Resampler, *first, sign));
        }
    }
    let embedding = Stage::PromptSpeakerEmbedding;
    if evidence.fails(embedding) && !evidence.fails(Stage::PromptFbank) {
        let fed = match evidence.passes(Stage::PromptFbank) {
            true => "the filter banks that it is computed from pass",
            false => "the filter banks that it is computed from are not recorded",
        };
        clues.push(clue(Cause::SpeakerPooling, embedding, fed.into()));
    }
    clues
}

/// Whether every channel of the mel is off by a constant of its own.
fn scaled_filters(evidence: &Evidence<'_>) -> Option<String> {
    let (array, r, c) = evidence.floats(&Key::whole(Stage::PromptMel))?;
    let &[frames, channels] = array.shape() else {
        return None;
    };
    let mut means = vec![0.0; channels];
    let rows = || r.chunks(channels.max(1)).zip(c.chunks(channels.max(1)));
    for (r, c) in rows() {
        for (mean, (r, c)) in means.iter_mut().zip(r.iter().zip(c)) {
            *mean += f64::from(c - r) / frames.max(1) as f64;
        }
    }
    let (mut whole, mut left) = (0.0, 0.0);
    for (r, c) in rows() {
        for (mean, (r, c)) in means.iter().zip(r.iter().zip(c)) {
            let error = f64::from(c - r);
            whole += error * error;
            left += (error - mean) * (error - mean);
        }
    }
    (whole > 0.0 && left < LEFT * whole)
        .then(|| "every channel is off by a constant of its own".to_owned())
}
