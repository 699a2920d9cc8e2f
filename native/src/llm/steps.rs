use super::SpeechLm;
use super::prompt::{InputId, LmPrompt};
use super::qwen2::KvCache;
use crate::{Error, Result};

/// A segment whose tokens the caller draws: the logits of the next token, and the token that was
/// drawn from them, in turns. [`Decoding`](super::Decoding) is this with the reference's sampling.
pub struct Steps<'a> {
    lm: &'a SpeechLm,
    cache: KvCache,
    /// What the model has not seen yet.
    input: Vec<InputId>,
    /// What it has seen.
    fed: Vec<InputId>,
    /// Tokens that were drawn.
    drawn: usize,
}

impl<'a> Steps<'a> {
    /// The prompt must have been checked. `room` is how many tokens the cache has memory for at
    /// once.
    pub(super) fn new(lm: &'a SpeechLm, prompt: &LmPrompt, room: usize) -> Self {
        let input = prompt.input(lm.config());
        Self {
            lm,
            cache: lm.body().cache(input.len() + room),
            input,
            fed: Vec::new(),
            drawn: 0,
        }
    }

    /// The logits of the next token, one for each id of the vocabulary, after everything that was pushed.
    ///
    /// # Errors
    /// If the model's positions are used up, a logit is not finite, or nothing was pushed since
    /// they were last asked for.
    pub fn logits(&mut self) -> Result<Vec<f32>> {
        if self.input.is_empty() {
            return Err(Error::input(
                "the logits were asked for twice: push the token that was drawn from them first",
            ));
        }
        if !self.lm.has_room(&self.cache, &self.input) {
            let positions = self.lm.body().config().max_position_embeddings;
            return Err(Error::input(format!(
                "the model's {positions} positions are used up after {} speech tokens: split the \
                 text",
                self.drawn
            )));
        }
        let logits = self
            .lm
            .next_logits(&self.input, &mut self.cache, &mut self.fed)?;
        self.input.clear();
        Ok(logits)
    }

    /// Goes on with a speech token.
    pub fn push(&mut self, token: u32) {
        self.input.push(InputId::Speech(token));
        self.drawn += 1;
    }

    /// Takes back the last token, whose logits were not asked for yet.
    pub(super) fn pop(&mut self) {
        if self.input.pop().is_some() {
            self.drawn -= 1;
        }
    }
}
