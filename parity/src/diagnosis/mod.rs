//! What a failure tells of its cause: the story of a case in a sentence, and the mistakes whose
//! pattern it has. None of it takes part in a verdict.

mod cause;
mod evidence;
mod flow;
mod likely;
mod logits;
mod prompt;
mod sampling;
mod story;
mod tokens;
mod vocoder;

pub use cause::{Cause, Clue};
pub use likely::{Likely, likely};
pub(crate) use sampling::Place;
pub use story::Story;

use crate::judge::{CaseOutcome, LoadedCase};
use evidence::Evidence;

/// The clues of a case that failed, in the order of its stages.
pub(crate) fn clues(loaded: &LoadedCase<'_>, outcome: &CaseOutcome) -> Vec<Clue> {
    let Some(evidence) = Evidence::of(loaded, outcome) else {
        return Vec::new();
    };
    let mut clues = prompt::clues(&evidence);
    clues.extend(logits::clues(&evidence));
    clues.extend(tokens::clues(&evidence));
    clues.extend(flow::clues(&evidence));
    clues.extend(vocoder::clues(&evidence));
    // What comes after the first stage at fault may only follow from it.
    let first = evidence.first();
    clues.retain(|clue| Some(clue.stage) == first || clue.cause.is_evident());
    clues
}

/// Where a token lies by the logits that it was drawn from, before the minimum length.
pub(crate) fn place(logits: &[f32], token: i64) -> Option<Place> {
    sampling::Standing::of(logits, token, Some(tokens::FIRST_STOP)).map(|s| s.place())
}

/// What happened in a case that failed.
pub(crate) fn story(loaded: &LoadedCase<'_>, outcome: &CaseOutcome) -> Option<Story> {
    Story::of(&Evidence::of(loaded, outcome)?)
}
