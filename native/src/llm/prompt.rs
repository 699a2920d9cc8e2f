use super::{LmConfig, QwenConfig};
use crate::family::EndOfPrompt;
use crate::{Error, Result};

/// Speech tokens in 30 s, the longest prompt that the reference accepts.
const LONGEST_PROMPT: usize = 750;

/// Maximum and minimum number of speech tokens per text id.
const MAX_RATIO: usize = 20;
const MIN_RATIO: usize = 2;

/// What the language model continues. Each mode of a synthesis fills in what it has:
///
/// | mode | `prompt_text_ids` | `text_ids` | `prompt_speech_tokens` |
/// |---|---|---|---|
/// | zero-shot | the prompt's text | the text | the prompt's |
/// | cross-lingual | none | the text, with its prefix | none |
/// | instruct | the instruction | the text | none |
///
/// The model sees start mark, prompt text, text, task mark, prompt speech.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LmPrompt {
    /// Text ids of what the prompt says, or of the instruction.
    pub prompt_text_ids: Vec<u32>,
    /// Text ids of what is to be said.
    pub text_ids: Vec<u32>,
    /// Speech tokens of the prompt.
    pub prompt_speech_tokens: Vec<u32>,
}

/// One position of the language model's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InputId {
    /// Embedded by the Qwen2's own table.
    Text(u32),
    /// Speech token or mark, embedded by the speech table.
    Speech(u32),
}

impl InputId {
    pub(super) fn id(self) -> u32 {
        match self {
            Self::Text(id) | Self::Speech(id) => id,
        }
    }

    pub(super) fn is_text(self) -> bool {
        matches!(self, Self::Text(_))
    }
}

impl LmPrompt {
    /// Minimum number of speech tokens. Not a guarantee: see [`LmConfig::start_of_sequence`].
    pub fn min_len(&self) -> usize {
        self.text_ids.len() * MIN_RATIO
    }

    /// Maximum number of speech tokens.
    pub fn max_len(&self) -> usize {
        self.text_ids.len() * MAX_RATIO
    }

    /// The whole input of the first step.
    pub(super) fn input(&self, lm: &LmConfig) -> Vec<InputId> {
        let text = self.prompt_text_ids.iter().chain(&self.text_ids);
        std::iter::once(InputId::Speech(lm.start_of_sequence()))
            .chain(text.map(|&id| InputId::Text(id)))
            .chain(std::iter::once(InputId::Speech(lm.task())))
            .chain(
                self.prompt_speech_tokens
                    .iter()
                    .map(|&id| InputId::Speech(id)),
            )
            .collect()
    }

    /// Checks, before any computation, that the model can continue this prompt.
    pub(super) fn check(&self, lm: &LmConfig, qwen: &QwenConfig) -> Result<()> {
        if self.text_ids.is_empty() {
            return Err(Error::input(
                "the text has no tokens: there is nothing to say",
            ));
        }
        let mut text = self.prompt_text_ids.iter().chain(&self.text_ids);
        if !text.any(|&id| id == lm.end_of_prompt.id) {
            return Err(no_end_of_prompt(&lm.end_of_prompt));
        }
        check_text_ids(&self.prompt_text_ids, qwen)?;
        check_text_ids(&self.text_ids, qwen)?;
        check_prompt_speech(&self.prompt_speech_tokens, lm)?;
        // How much the speech needs shows when it is sampled: most need far less than they may.
        let needed =
            2 + self.prompt_text_ids.len() + self.text_ids.len() + self.prompt_speech_tokens.len();
        if needed > qwen.max_position_embeddings {
            return Err(Error::input(format!(
                "a text of {} tokens after a prompt of {} text and {} speech tokens needs {needed} \
                 positions before any speech, and the model has {}: split the text",
                self.text_ids.len(),
                self.prompt_text_ids.len(),
                self.prompt_speech_tokens.len(),
                qwen.max_position_embeddings
            )));
        }
        Ok(())
    }
}

/// The error for a text that the model was not trained to continue.
pub(crate) fn no_end_of_prompt(end: &EndOfPrompt) -> Error {
    let token = end.token;
    Error::input(format!(
        "neither the prompt's text nor the text contains `{token}`, without which the model speaks \
         nonsense: begin the prompt's text (zero-shot) or the text (cross-lingual) with an \
         instruction, such as `You are a helpful assistant.{token}`, or end the instruction with \
         it (instruct)"
    ))
}

pub(super) fn check_text_ids(ids: &[u32], qwen: &QwenConfig) -> Result<()> {
    match ids.iter().find(|&&id| id as usize >= qwen.vocab_size) {
        Some(id) => Err(Error::input(format!(
            "text id {id} is outside of the model's vocabulary of {}: the tokenizer is another \
             model's",
            qwen.vocab_size
        ))),
        None => Ok(()),
    }
}

pub(super) fn check_prompt_speech(tokens: &[u32], lm: &LmConfig) -> Result<()> {
    if tokens.len() > LONGEST_PROMPT {
        return Err(Error::input(format!(
            "a prompt of {} speech tokens lasts {:.1} s; at most 30 s ({LONGEST_PROMPT} tokens) \
             can be continued: cut the recording",
            tokens.len(),
            tokens.len() as f64 / 25.0
        )));
    }
    match tokens.iter().find(|&&t| t as usize >= lm.speech_token_size) {
        Some(t) => Err(Error::input(format!(
            "speech token {t} of the prompt is outside of the model's {}: the speech tokenizer \
             is another model's",
            lm.speech_token_size
        ))),
        None => Ok(()),
    }
}
