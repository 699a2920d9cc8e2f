//! Sampled tokens: where they part from the reference's, and what rule they break there.

use native::family::Family;

use super::cause::{Cause, Clue};
use super::evidence::Evidence;
use super::sampling::{Place, Standing};
use crate::array::Array;
use crate::diff::logits::Table;
use crate::record::token_bounds;
use crate::recording::{CaseRecord, MISMATCH_TAP, PARTING_TAP};
use crate::stage::{Key, Stage};

/// The first id that ends speech. It is also the one that is masked before the minimum length.
pub(super) const FIRST_STOP: i64 = 6561;
/// Tokens that the repetition rule looks back at.
const WINDOW: usize = 10;
/// Tokens within which a sampler that drew speech instead of the end draws the end after all, on a
/// model that is sure of it: the speaking one took one to three.
const SOON: usize = 10;
/// Silent tokens of a run that are kept.
const SILENT_KEPT: usize = 5;

/// Where the tokens of a segment part from the reference's.
pub(super) struct Parting<'a> {
    pub(super) reference: &'a [i64],
    pub(super) candidate: &'a [i64],
    pub(super) position: usize,
    /// Where the candidate's token stands in the distribution of this position, if its logits are
    /// known.
    pub(super) standing: Option<Standing>,
    /// Fewest and most tokens, where the text is known from the start.
    bounds: Option<(usize, usize)>,
    reference_stop: Option<i64>,
    candidate_stop: Option<i64>,
}

impl<'a> Parting<'a> {
    /// None if the tokens are the same, or not recorded.
    pub(super) fn of(evidence: &Evidence<'a>, segment: usize) -> Option<Self> {
        let (reference, candidate) = evidence.ids(&Key::segment(Stage::LlmTokens, segment))?;
        let pairs = reference.iter().zip(candidate);
        let position = pairs.take_while(|(r, c)| r == c).count();
        if position == reference.len() && position == candidate.len() {
            return None;
        }
        let case = &evidence.golden.case.case;
        let text = evidence.golden.text.segments.get(segment);
        let bounds = text.filter(|_| !case.in_pieces());
        let bounds = bounds.map(|text| token_bounds(text.ids.len()));
        let stop = |record: &CaseRecord| {
            let mark = record.tensors.get(&Key::segment(Stage::LlmStop, segment));
            mark.and_then(Array::as_i64)?.first().copied()
        };
        let masks = bounds.is_some_and(|(min, _)| position < min);
        let row = logits(evidence, segment, position);
        let standing = |token: i64, masked| Standing::of(row?, token, masked);
        let own = candidate.get(position).copied();
        Some(Self {
            reference,
            candidate,
            position,
            standing: own.and_then(|t| standing(t, masks.then_some(FIRST_STOP))),
            bounds,
            reference_stop: stop(evidence.golden),
            candidate_stop: stop(evidence.candidate),
        })
    }

    /// Whether nothing but the maximum length ended the candidate's list, of which ids that are no
    /// speech may have been left out.
    fn is_endless(&self) -> bool {
        let unmarked = self.candidate_stop.is_none_or(|id| id < 0);
        let nearly = |(_, max)| self.candidate.len() * 10 >= max * 9;
        unmarked && self.bounds.is_some_and(nearly)
    }

    /// How far back the candidate's token stands in what both sampled, if the repetition rule
    /// looks that far.
    fn repeats(&self) -> Option<usize> {
        let token = self.candidate.get(self.position)?;
        let before = self.candidate.get(..self.position)?;
        let back = before.iter().rev().take(WINDOW);
        back.enumerate()
            .find(|(_, t)| *t == token)
            .map(|(i, _)| i + 1)
    }

    /// What ended both lists, in words.
    pub(super) fn ends(&self) -> String {
        let mark = |stop: Option<i64>| match stop {
            Some(-1) => "at the maximum length".to_owned(),
            Some(id) => format!("by {id}"),
            None => "by a mark that is not recorded".to_owned(),
        };
        let (r, c) = (self.reference.len(), self.candidate.len());
        match self.candidate_stop {
            _ if c == r => String::new(),
            // That it ends is said where they part.
            Some(id) if c == self.position => format!("{id} ended it"),
            None if c == self.position => String::new(),
            None if c > r && self.skips_the_end() => {
                format!(
                    "it goes on to {c} tokens{}, which may lack the ids that should have ended it",
                    self.at_most()
                )
            }
            None if c > r => format!("no stop until {c}{}", self.at_most()),
            None => format!("it ends at {c}"),
            Some(-1) if c > r => format!("no stop until {c}, the maximum length"),
            stop if c > r => format!("no stop until {c}, {}", mark(stop)),
            stop => format!("it ends at {c}, {}", mark(stop)),
        }
    }

    /// Whether what should have ended the candidate's list was drawn and left out of it: the token
    /// there is one of a later position, which has no place in this one.
    pub(super) fn skips_the_end(&self) -> bool {
        let elsewhere = |s: Standing| s.place() == Place::OutsideBoth;
        self.position == self.reference.len() && self.standing.is_some_and(elsewhere)
    }

    /// The most tokens that this text may have, in words.
    fn at_most(&self) -> String {
        let most = self.bounds.map(|(_, max)| format!(" of at most {max}"));
        most.unwrap_or_default()
    }

    fn clue(&self) -> Option<(Cause, String)> {
        let (p, r, c) = (self.position, self.reference.len(), self.candidate.len());
        let stops = self.candidate.iter().position(|t| *t >= FIRST_STOP);
        if let Some(at) = stops {
            let id = self.candidate.get(at).copied().unwrap_or(FIRST_STOP);
            if at + 1 == c && p == r {
                return Some((
                    Cause::StopIdInList,
                    format!("the list ends with {id}, which is no speech"),
                ));
            }
            return Some((
                Cause::NoStopIds,
                format!("{id} is drawn at token {at} and does not end the speech"),
            ));
        }
        // Whatever was drawn before: the id that ended it is masked until then.
        let min = self.bounds.map_or(0, |(min, _)| min);
        // One that says nothing at all was given another prompt, or another text.
        let by_first_stop = match self.candidate_stop {
            Some(id) => id == FIRST_STOP,
            None => c > 0,
        };
        if c < min && by_first_stop {
            let sign = format!("it ends at {c} tokens, before the minimum of {min}");
            return Some((Cause::NoMinimum, sign));
        }
        // Where the reference drew its end, a sampler with other rules may draw speech instead, and
        // the end soon after. One that drew the end and went on shows a token of the next position,
        // which has no place here.
        let went_on = match self.standing {
            Some(standing) => standing.place() == Place::OutsideBoth,
            None => c.saturating_sub(r) > SOON,
        };
        if p == r && (self.is_endless() || went_on) {
            return Some(self.beyond_the_end());
        }
        if let Some(back) = self.repeats() {
            let inside = self.standing.is_none_or(|s| s.place() == Place::Inside);
            if inside {
                let token = self.candidate.get(p).copied().unwrap_or_default();
                let sign =
                    format!("{token} is drawn at token {p} although it stands {back} before");
                return Some((Cause::NoWindow, sign));
            }
        }
        let standing = self.standing?;
        let sign = |what: &str| format!("token {p} is of rank {}, {what}", standing.rank + 1);
        Some(match standing.place() {
            Place::OutsideP => (
                Cause::NoTopP,
                sign(&format!("outside the nucleus of {}", standing.nucleus())),
            ),
            Place::OutsideK => (Cause::NoTopK, sign("beyond the 25 of top-k")),
            Place::OutsideBoth => (
                Cause::NoNucleus,
                sign(&format!(
                    "far outside the nucleus of {}",
                    standing.nucleus()
                )),
            ),
            Place::Inside if standing.rank == 0 => (Cause::Greedy, sign("the likeliest")),
            Place::Inside => (
                Cause::OtherNumbers,
                sign(&format!("inside the nucleus of {}", standing.nucleus())),
            ),
        })
    }

    /// All of the reference's tokens, and more.
    fn beyond_the_end(&self) -> (Cause, String) {
        let r = self.reference.len();
        let min = self.bounds.map_or(0, |(min, _)| min);
        match self.reference_stop {
            Some(-1) => (
                Cause::NoMaximum,
                format!("it goes on after {r} tokens, the maximum"),
            ),
            Some(id) if r < min => (
                Cause::MinimumTooStrict,
                format!("{id} ends the reference at {r}, before the minimum of {min}"),
            ),
            Some(id) => (
                Cause::NoStopIds,
                format!("{id} ends the reference at token {r}, and it goes on"),
            ),
            None => (
                Cause::NoStopIds,
                format!("the reference ends at token {r}, and it goes on"),
            ),
        }
    }
}

/// The logits of a position that both sides have come to with the same tokens: the golden's, or
/// those computed with its model, or the candidate's own.
fn logits<'a>(evidence: &Evidence<'a>, segment: usize, position: usize) -> Option<&'a [f32]> {
    let row = |record: &'a CaseRecord| {
        let of = |stage| record.tensors.get(&Key::segment(stage, segment));
        let table = of(Stage::LlmLogits)?;
        let &[_, width] = table.shape() else {
            return None;
        };
        let table = Table {
            positions: of(Stage::LlmLogitRows)?.as_i64()?,
            values: table.as_f32()?,
            width,
        };
        table.row(i64::try_from(position).ok()?)
    };
    let of_tap = |record: &'a CaseRecord, tap| {
        let key = Key::segment(Stage::LlmLogits, segment).tap(tap);
        record.tensors.get(&key)?.as_f32()
    };
    row(evidence.golden)
        .or_else(|| of_tap(evidence.golden, PARTING_TAP))
        .or_else(|| row(evidence.candidate))
        .or_else(|| of_tap(evidence.candidate, MISMATCH_TAP))
}

/// The signs in the sampled tokens and in what was kept of them.
pub(super) fn clues(evidence: &Evidence<'_>) -> Vec<Clue> {
    let mut clues = Vec::new();
    let mut add = |stage, found: Option<(Cause, String)>| {
        clues.extend(found.map(|(cause, sign)| Clue { cause, stage, sign }));
    };
    // Other logits draw other tokens, whatever the sampler does.
    let own_fault = !evidence.fails(Stage::LlmLogits) && !evidence.fails(Stage::TextIds);
    for segment in 0..evidence.golden.segments() {
        if own_fault {
            let parting = Parting::of(evidence, segment);
            let parted = parting.is_some();
            let clue = parting.and_then(|p| p.clue());
            add(
                Stage::LlmTokens,
                clue.map(|clue| with_doubt(evidence, clue)),
            );
            // What follows in other segments was drawn from a stream that has moved on.
            if parted {
                break;
            }
        }
    }
    if evidence.fails(Stage::LlmTokensKept) {
        let found = (0..evidence.golden.segments()).find_map(|s| silence(evidence, s));
        add(Stage::LlmTokensKept, found);
    }
    clues
}

/// A rank says nothing of the sampler where the candidate's own logits are not known to be right.
fn with_doubt(evidence: &Evidence<'_>, (cause, sign): (Cause, String)) -> (Cause, String) {
    let by_rank = matches!(
        cause,
        Cause::NoTopP | Cause::NoTopK | Cause::NoNucleus | Cause::OtherNumbers | Cause::Greedy
    );
    if by_rank && !evidence.passes(Stage::LlmLogits) {
        let sign = format!("{sign} (or its logits are others: llm.logits is not recorded)");
        return (cause, sign);
    }
    (cause, sign)
}

/// Tokens that the silence rule leaves out and the candidate has kept.
fn silence(evidence: &Evidence<'_>, segment: usize) -> Option<(Cause, String)> {
    let key = |stage| Key::segment(stage, segment);
    let own = |stage| evidence.candidate.tensors.get(&key(stage))?.as_i64();
    let golden = |stage| evidence.golden.tensors.get(&key(stage))?.as_i64();
    let kept = own(Stage::LlmTokensKept)?;
    let raw = own(Stage::LlmTokens).or_else(|| golden(Stage::LlmTokens))?;
    let wanted = without_long_silences(raw);
    (kept == raw && wanted.len() < raw.len()).then(|| {
        let more = raw.len() - wanted.len();
        let sign = format!("{more} silent tokens are kept after the fifth of a run");
        (Cause::NoSilenceRule, sign)
    })
}

fn without_long_silences(tokens: &[i64]) -> Vec<i64> {
    let silent = Family::ALL.first().map_or(&[][..], |f| f.silent_tokens);
    let mut run = 0;
    let mut keeps = |token: &i64| {
        let is_silent = u32::try_from(*token).is_ok_and(|t| silent.contains(&t));
        run = if is_silent { run + 1 } else { 0 };
        run <= SILENT_KEPT
    };
    tokens.iter().copied().filter(|t| keeps(t)).collect()
}
