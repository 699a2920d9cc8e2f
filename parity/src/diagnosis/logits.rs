//! The language model's logits, on the golden's tokens: from which position on they are wrong.

use super::cause::{Cause, Clue};
use super::evidence::Evidence;
use crate::judge::Detail;
use crate::stage::Stage;

/// KL divergence, in nats, below which a position is right: that of the limits.
const RIGHT: f32 = 1e-6;

pub(super) fn clues(evidence: &Evidence<'_>) -> Option<Clue> {
    let stage = Stage::LlmLogits;
    let fed = [Stage::TextIds, Stage::PromptSpeechTokens];
    if !evidence.fails(stage) || fed.into_iter().any(|s| evidence.fails(s)) {
        return None;
    }
    let (_, cell) = evidence.failing_cell(stage)?;
    let rows = cell.values.iter().find_map(|v| match v.detail.as_ref()? {
        Detail::Logits(logits) => Some(&logits.kl),
        _ => None,
    })?;
    let wrong = |(_, kl): &&(i64, f32)| kl.is_nan() || *kl > RIGHT;
    let first = rows.iter().find(wrong).map(|(position, _)| *position);
    let sign = match first {
        None => "the probabilities agree, but not the logits: a constant, or a scale".to_owned(),
        Some(position) if rows.first().is_some_and(|(p, _)| *p < position) => format!(
            "right before token {position} and wrong from it on: the cache, or the positions of \
             what is generated"
        ),
        Some(_) => "wrong from the first position on, though what it is fed with passes".to_owned(),
    };
    Some(Clue {
        cause: Cause::LanguageModel,
        stage,
        sign,
    })
}
