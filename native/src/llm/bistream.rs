use std::collections::VecDeque;

use super::decode::{Generation, Stop};
use super::prompt::{InputId, check_prompt_speech, check_text_ids};
use super::qwen2::KvCache;
use super::{Draw, Sampler, SpeechLm};
use crate::{Error, Result};

/// Initial capacity of the cache, in positions.
const ROOM: usize = 512;

/// A segment sampled while its text streams in: an iterator over its speech tokens.
///
/// Text and speech alternate, five text ids to fifteen speech tokens (`mix_ratio`). The model
/// requests the next text ids with its fill mark, which is forced when the model does not sample
/// it in time. When the text has ended, the remaining text ids, the task mark and the rest of the
/// speech follow. The only limit on the length is the number of positions that the model has.
///
/// Three peculiarities of the reference are reproduced, because trained models depend on them:
/// speech begins with the first text ids, before five of them are there, if there is no prompt
/// speech; the fill mark itself is never fed back; and the input that was fed last before the text
/// ended is fed once more before the remaining text.
pub struct Bistream<'a> {
    lm: &'a SpeechLm,
    sampler: &'a mut Sampler,
    cache: KvCache,
    text: Box<dyn Iterator<Item = Result<Vec<u32>>> + 'a>,
    /// Text ids that the model has not read yet.
    pending_text: VecDeque<u32>,
    /// Prompt speech that waits for text.
    pending_speech: VecDeque<u32>,
    input: Vec<InputId>,
    /// What the model has seen.
    fed: Vec<InputId>,
    /// Everything sampled, fill marks included: the history in which repetitions are counted.
    history: Vec<u32>,
    /// Length of the history at which the fill mark is due.
    next_fill: usize,
    logits: Vec<f32>,
    masked: Option<u32>,
    tokens: Vec<u32>,
    phase: Phase,
}

enum Phase {
    AwaitingText,
    Speaking,
    TextEnded,
    Done(Stop),
}

impl<'a> Bistream<'a> {
    pub(super) fn new(
        lm: &'a SpeechLm,
        prompt_text_ids: &[u32],
        prompt_speech_tokens: &[u32],
        text: Box<dyn Iterator<Item = Result<Vec<u32>>> + 'a>,
        sampler: &'a mut Sampler,
    ) -> Result<Self> {
        let config = lm.config();
        let mark = config.end_of_prompt;
        let Some(end) = prompt_text_ids.iter().position(|&id| id == mark.id) else {
            return Err(Error::input(format!(
                "the prompt's text has no `{}`, which it needs where the text arrives in pieces",
                mark.token
            )));
        };
        check_text_ids(prompt_text_ids, lm.body().config())?;
        check_prompt_speech(prompt_speech_tokens, config)?;
        let (instruction, rest) = prompt_text_ids.split_at(end + 1);
        let mut input = vec![InputId::Speech(config.start_of_sequence())];
        input.extend(instruction.iter().map(|&id| InputId::Text(id)));
        let speech_turn = config.mix_ratio[1];
        let prompt_len = prompt_speech_tokens.len();
        Ok(Self {
            lm,
            sampler,
            cache: lm.body().cache(ROOM + prompt_text_ids.len() + prompt_len),
            text,
            pending_text: rest.iter().copied().collect(),
            pending_speech: prompt_speech_tokens.iter().copied().collect(),
            input,
            fed: Vec::new(),
            history: Vec::new(),
            next_fill: (prompt_len / speech_turn + 1) * speech_turn - prompt_len,
            logits: Vec::new(),
            masked: None,
            tokens: Vec::new(),
            phase: Phase::AwaitingText,
        })
    }

    /// The tokens so far.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Why the tokens ended; `None` while more may follow.
    pub fn stop(&self) -> Option<Stop> {
        match self.phase {
            Phase::Done(stop) => Some(stop),
            _ => None,
        }
    }

    /// The logits that the last token, or the mark that ended the speech, was drawn from.
    pub fn logits(&self) -> &[f32] {
        &self.logits
    }

    /// How it was drawn ([`Sampler::last_draw`]).
    pub fn last_draw(&self) -> Option<&Draw> {
        self.sampler.last_draw()
    }

    /// Everything drawn so far, with the marks that asked for text.
    pub(super) fn draws(&self) -> usize {
        self.history.len()
    }

    /// What the last draw depended on beside its logits ([`super::TokenStream::last_context`]).
    pub(super) fn last_context(&self) -> (&[u32], Option<u32>) {
        let history = self
            .history
            .split_last()
            .map_or(&[][..], |(_, before)| before);
        (history, self.masked)
    }

    /// Goes on as if `token` had been drawn last, in place of a token ([`super::TokenStream::follow`]).
    pub fn follow(&mut self, token: u32) -> bool {
        let speaking = matches!(self.phase, Phase::Speaking | Phase::TextEnded);
        let (true, Some(last), Some(drawn)) =
            (speaking, self.tokens.last_mut(), self.history.last_mut())
        else {
            return false;
        };
        (*last, *drawn) = (token, token);
        self.input = vec![InputId::Speech(token)];
        true
    }

    /// The tokens so far, and why they ended. A segment that is abandoned early counts as stopped
    /// by its length.
    pub fn finish(self) -> Generation {
        let stop = self.stop().unwrap_or(Stop::MaxLength);
        Generation {
            tokens: self.tokens,
            stop,
        }
    }

    /// Runs until the next speech token, or until the end.
    fn advance(&mut self) -> Result<Option<u32>> {
        loop {
            let token = match self.phase {
                Phase::Done(_) => return Ok(None),
                Phase::AwaitingText => {
                    self.take_text()?;
                    continue;
                }
                Phase::Speaking => self.speak()?,
                Phase::TextEnded => self.speak_on()?,
            };
            if let Some(token) = token {
                self.tokens.push(token);
                self.input = vec![InputId::Speech(token)];
                return Ok(Some(token));
            }
        }
    }

    fn take_text(&mut self) -> Result<()> {
        let Some(chunk) = self.text.next().transpose()? else {
            self.input
                .extend(self.pending_text.drain(..).map(InputId::Text));
            self.input.push(InputId::Speech(self.lm.config().task()));
            self.phase = Phase::TextEnded;
            return Ok(());
        };
        check_text_ids(&chunk, self.lm.body().config())?;
        self.pending_text.extend(chunk);
        let [text_turn, speech_turn] = self.lm.config().mix_ratio;
        while !self.pending_speech.is_empty() && self.pending_text.len() >= text_turn {
            self.input
                .extend(self.pending_text.drain(..text_turn).map(InputId::Text));
            let n = speech_turn.min(self.pending_speech.len());
            self.input
                .extend(self.pending_speech.drain(..n).map(InputId::Speech));
        }
        if !self.pending_speech.is_empty() {
            return Ok(());
        }
        if self.history.last() == Some(&self.lm.config().fill()) {
            if self.pending_text.len() < text_turn {
                return Ok(());
            }
            self.input = self
                .pending_text
                .drain(..text_turn)
                .map(InputId::Text)
                .collect();
        }
        self.phase = Phase::Speaking;
        Ok(())
    }

    /// One step while text may still come.
    fn speak(&mut self) -> Result<Option<u32>> {
        if !self.compute_logits()? {
            return Ok(None);
        }
        let config = self.lm.config();
        let token = if self.history.len() == self.next_fill {
            config.fill()
        } else {
            self.masked = Some(config.start_of_sequence());
            self.sampler
                .sample(&self.logits, &self.history, self.masked)?
        };
        if token == config.fill() {
            self.next_fill = self.history.len() + config.mix_ratio[1] + 1;
            self.phase = Phase::AwaitingText;
        } else if token as usize >= config.speech_token_size {
            self.phase = Phase::Done(Stop::OutOfPlace(token));
        }
        self.history.push(token);
        Ok(Some(token).filter(|&t| (t as usize) < config.speech_token_size))
    }

    /// One step after the last text.
    fn speak_on(&mut self) -> Result<Option<u32>> {
        if !self.compute_logits()? {
            return Ok(None);
        }
        let config = self.lm.config();
        self.masked = None;
        let token = self.sampler.sample(&self.logits, &self.history, None)?;
        self.history.push(token);
        if (token as usize) < config.speech_token_size {
            return Ok(Some(token));
        }
        self.phase = Phase::Done(if token == config.end_of_speech() {
            Stop::StopToken(token)
        } else {
            Stop::OutOfPlace(token)
        });
        Ok(None)
    }

    /// False where the model's positions are used up.
    fn compute_logits(&mut self) -> Result<bool> {
        if !self.lm.has_room(&self.cache, &self.input) {
            self.phase = Phase::Done(Stop::MaxLength);
            return Ok(false);
        }
        self.logits = self
            .lm
            .next_logits(&self.input, &mut self.cache, &mut self.fed)?;
        Ok(true)
    }
}

impl Iterator for Bistream<'_> {
    type Item = Result<u32>;

    fn next(&mut self) -> Option<Result<u32>> {
        let step = self.advance();
        if step.is_err() {
            self.phase = Phase::Done(Stop::MaxLength);
        }
        step.transpose()
    }
}
