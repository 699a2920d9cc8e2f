//! A segment's tokens, each drawn from the golden's history: where the language model computes in
//! another precision or on another device, its tokens part from the reference's at near-ties, and all
//! that follows a parting would be another speech.

use native::llm::{Sampler, SamplingConfig, SharedRng, TokenStream};

use super::values::stop_mark;
use crate::diff::partings::Step;

/// What a segment was sampled to.
pub(super) struct Forced {
    /// What was drawn at each token of the golden, marks among them.
    pub(super) drawn: Vec<i64>,
    /// The mark that was drawn where the golden ends; -1 for none.
    pub(super) stop: i64,
    /// Each draw beside the exact engine's.
    pub(super) steps: Vec<Step>,
}

/// A stream and the generator that it draws from.
pub(super) struct Drawing<'a> {
    pub(super) stream: TokenStream<'a>,
    pub(super) rng: &'a SharedRng,
}

impl Drawing<'_> {
    /// The next token, or the mark that ends the stream; -1 if its length ends it.
    fn draw(&mut self) -> native::Result<i64> {
        let token = self.stream.next().transpose()?.map(i64::from);
        let mark = || self.stream.stop().map_or(-1, |stop| stop_mark(stop)[0]);
        Ok(token.unwrap_or_else(mark))
    }
}

/// Samples a segment from the history of `golden`, which ended with `mark`, with the random numbers
/// that the reference has there. They are those of the `exact` engine, which is held to the golden too
/// and has to draw the same tokens with its `sampling`. `parted` is told of the first difference.
///
/// It ends early where a text that arrives in pieces is asked for at another place: from there on the
/// golden's tokens stand in the place of draws.
pub(super) fn sample(
    mut candidate: Drawing<'_>,
    mut exact: Drawing<'_>,
    (golden, mark): (&[u32], i64),
    sampling: SamplingConfig,
    mut parted: impl FnMut(&TokenStream<'_>) -> native::Result<()>,
) -> native::Result<Forced> {
    let mut forced = Forced {
        drawn: Vec::new(),
        stop: -1,
        steps: Vec::new(),
    };
    let mut told = false;
    for at in 0..=golden.len() {
        let wanted = golden.get(at).copied();
        if wanted.is_none() && mark < 0 {
            break;
        }
        let before = exact.rng.rng();
        let is = exact.draw()?;
        candidate.rng.set(before.clone());
        let drawn = candidate.draw()?;
        // The reference's sampler, on the candidate's logits.
        let (history, masked) = exact.stream.last_context();
        let mut sampler = Sampler::drawing_from(&SharedRng::new(before), sampling);
        let redrawn = sampler.sample(candidate.stream.logits(), history, masked)?;
        let expected = wanted.map_or(mark, i64::from);
        if drawn != expected && !told {
            told = true;
            parted(&candidate.stream)?;
        }
        let together = candidate.stream.draws() == exact.stream.draws();
        let lead = exact.stream.last_draw().map_or(f32::INFINITY, |draw| {
            let vocabulary = draw.vocabulary_lead.unwrap_or(f32::INFINITY);
            draw.nucleus_lead.min(vocabulary)
        });
        let step = Step::new(
            (is, drawn, i64::from(redrawn)),
            exact.stream.logits(),
            candidate.stream.logits(),
            lead,
        );
        forced.steps.push(step);
        match wanted {
            Some(token) => {
                forced.drawn.push(drawn);
                let follows = |drawing: &mut Drawing<'_>, drawn: i64| {
                    drawn == i64::from(token) || drawing.stream.follow(token)
                };
                if !(follows(&mut exact, is) && together && follows(&mut candidate, drawn)) {
                    forced
                        .drawn
                        .extend(golden.iter().skip(at + 1).map(|&t| i64::from(t)));
                    forced.stop = mark;
                    break;
                }
            }
            None if drawn_is_speech(&candidate.stream) => forced.drawn.push(drawn),
            None => forced.stop = drawn,
        }
    }
    Ok(forced)
}

/// Whether the last draw was a token, so that the stream goes on.
fn drawn_is_speech(stream: &TokenStream<'_>) -> bool {
    stream.stop().is_none()
}
