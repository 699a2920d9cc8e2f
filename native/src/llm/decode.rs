use super::prompt::LmPrompt;
use super::{Draw, LmConfig, Sampler, SpeechLm, Steps};
use crate::Result;

/// Initial capacity of the cache beyond the prompt, in positions: about ten seconds of speech.
const ROOM: usize = 256;

/// The speech tokens of one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generation {
    /// As sampled: neither the mark that ended them, nor long silences left out
    /// ([`super::LmConfig::drop_long_silences`]).
    pub tokens: Vec<u32>,
    /// Why they ended.
    pub stop: Stop,
}

/// Why a segment ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// A mark was sampled. In CosyVoice 3 any of its 200 marks ends the speech.
    StopToken(u32),
    /// The longest speech for a text of its length, or the model's last position, was reached.
    MaxLength,
    /// A mark was sampled where text still streams in, or another one than the end of speech
    /// after it. The reference raises an exception there and keeps the tokens so far.
    OutOfPlace(u32),
}

impl Stop {
    /// The mark that was sampled, if one was.
    pub fn mark(self) -> Option<u32> {
        match self {
            Self::StopToken(mark) | Self::OutOfPlace(mark) => Some(mark),
            Self::MaxLength => None,
        }
    }
}

/// A segment being sampled: an iterator over its speech tokens.
///
/// It ends after the last token, or after an error.
pub struct Decoding<'a> {
    config: &'a LmConfig,
    sampler: &'a mut Sampler,
    steps: Steps<'a>,
    min_len: usize,
    max_len: usize,
    logits: Vec<f32>,
    masked: Option<u32>,
    tokens: Vec<u32>,
    stop: Option<Stop>,
}

impl<'a> Decoding<'a> {
    /// The prompt must have been checked.
    pub(super) fn new(lm: &'a SpeechLm, prompt: &LmPrompt, sampler: &'a mut Sampler) -> Self {
        let max_len = prompt.max_len();
        Self {
            config: lm.config(),
            sampler,
            steps: Steps::new(lm, prompt, ROOM.min(max_len)),
            min_len: prompt.min_len(),
            max_len,
            logits: Vec::new(),
            masked: None,
            tokens: Vec::new(),
            stop: None,
        }
    }

    /// The tokens so far.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Why the tokens ended; `None` while more may follow.
    pub fn stop(&self) -> Option<Stop> {
        self.stop
    }

    /// The logits that the last token, or the mark that ended the speech, was drawn from.
    pub fn logits(&self) -> &[f32] {
        &self.logits
    }

    /// How it was drawn ([`Sampler::last_draw`]).
    pub fn last_draw(&self) -> Option<&Draw> {
        self.sampler.last_draw()
    }

    /// What the last draw depended on beside its logits ([`super::TokenStream::last_context`]).
    pub(super) fn last_context(&self) -> (&[u32], Option<u32>) {
        let drawn = usize::from(self.stop.is_none()).min(self.tokens.len());
        (&self.tokens[..self.tokens.len() - drawn], self.masked)
    }

    /// Goes on as if `token` had been drawn last, in place of the token or the mark that was. So
    /// several engines are held to one history ([`super::TokenStream::follow`]).
    pub fn follow(&mut self, token: u32) -> bool {
        match self.stop {
            Some(Stop::StopToken(_)) => self.stop = None,
            Some(_) => return false,
            None if self.tokens.pop().is_some() => self.steps.pop(),
            None => return false,
        }
        self.tokens.push(token);
        self.steps.push(token);
        true
    }

    /// The tokens so far, and why they ended. A segment that is abandoned early counts as stopped
    /// by its length.
    pub fn finish(self) -> Generation {
        Generation {
            tokens: self.tokens,
            stop: self.stop.unwrap_or(Stop::MaxLength),
        }
    }

    fn step(&mut self) -> Result<Option<u32>> {
        if self.tokens.len() == self.max_len {
            self.stop = Some(Stop::MaxLength);
            return Ok(None);
        }
        self.logits = self.steps.logits()?;
        let early = self.tokens.len() < self.min_len;
        self.masked = early.then(|| self.config.start_of_sequence());
        let token = self
            .sampler
            .sample(&self.logits, &self.tokens, self.masked)?;
        if token as usize >= self.config.speech_token_size {
            self.stop = Some(Stop::StopToken(token));
            return Ok(None);
        }
        self.tokens.push(token);
        self.steps.push(token);
        Ok(Some(token))
    }
}

impl Iterator for Decoding<'_> {
    type Item = Result<u32>;

    fn next(&mut self) -> Option<Result<u32>> {
        if self.stop.is_some() {
            return None;
        }
        let step = self.step();
        if step.is_err() {
            self.stop = Some(Stop::MaxLength);
        }
        step.transpose()
    }
}
