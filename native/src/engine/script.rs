use super::arriving::nothing_to_say;
use super::{Engine, Mode, Request, Text};
use crate::family::EndOfPrompt;
use crate::llm::{LmPrompt, Sampler, TokenStream};
use crate::model_dir::SavedSpeaker;
use crate::text::{TextFrontend, has_words};
use crate::voice::VoicePrompt;
use crate::{Error, Result};

/// What the text frontend made of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// The normalised prompt or instruction text; empty if the mode has none.
    pub prompt_text: String,
    /// Its token ids.
    pub prompt_ids: Vec<u32>,
    /// The text's segments, synthesised one after the other.
    pub segments: Vec<TextSegment>,
    /// Whether the text arrives in pieces while it is spoken ([`Text::Pieces`]).
    pub in_pieces: bool,
    /// What the frontend wants the user to know.
    pub warnings: Vec<String>,
}

/// One segment of a [`Script`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextSegment {
    /// The normalised text.
    pub text: String,
    /// Its token ids.
    pub ids: Vec<u32>,
}

impl Engine {
    /// The text stage of a request: normalises, splits and tokenises.
    ///
    /// # Errors
    /// If the text has nothing to say, or a strict frontend refuses it.
    pub fn script(&self, request: &Request) -> Result<Script> {
        self.script_of(&request.mode, &request.text, request.voice.saved())
    }

    /// The text stage of a text in a mode, spoken by a saved speaker if there is one.
    ///
    /// # Errors
    /// As for [`Engine::script`].
    pub fn script_of(
        &self,
        mode: &Mode,
        text: &Text,
        speaker: Option<&SavedSpeaker>,
    ) -> Result<Script> {
        Script::new(&self.frontend, mode, text, speaker)
    }

    /// What the language model is given for one segment. `voice` is
    /// [aligned](VoicePrompt::aligned).
    pub fn lm_prompt(
        &self,
        mode: &Mode,
        script: &Script,
        segment: &TextSegment,
        voice: &VoicePrompt,
    ) -> LmPrompt {
        // Only zero-shot shows the language model how the voice speaks.
        let prompt_speech_tokens = match mode {
            Mode::ZeroShot { .. } => voice.speech_tokens.clone(),
            _ => Vec::new(),
        };
        LmPrompt {
            prompt_text_ids: script.prompt_ids.clone(),
            text_ids: segment.ids.clone(),
            prompt_speech_tokens,
        }
    }

    /// Begins to sample the speech tokens of one segment. `voice` is
    /// [aligned](VoicePrompt::aligned).
    ///
    /// # Errors
    /// If the model cannot continue the prompt.
    pub fn decode<'a>(
        &'a self,
        mode: &Mode,
        script: &Script,
        segment: &TextSegment,
        voice: &VoicePrompt,
        sampler: &'a mut Sampler,
    ) -> Result<TokenStream<'a>> {
        let prompt = self.lm_prompt(mode, script, segment, voice);
        if !script.in_pieces {
            return Ok(TokenStream::Whole(self.llm.decode(&prompt, sampler)?));
        }
        let one_by_one = prompt.text_ids.into_iter().map(|id| Ok(vec![id]));
        let bistream = self.llm.decode_bistream(
            &prompt.prompt_text_ids,
            &prompt.prompt_speech_tokens,
            one_by_one,
            sampler,
        )?;
        Ok(TokenStream::Arriving(bistream))
    }
}

impl Script {
    /// The text stage of a text in a mode, spoken by a saved speaker if there is one. It needs no
    /// more of the model than its text frontend.
    ///
    /// # Errors
    /// If the text has nothing to say, or a strict frontend refuses it.
    pub fn new(
        frontend: &TextFrontend,
        mode: &Mode,
        text: &Text,
        speaker: Option<&SavedSpeaker>,
    ) -> Result<Self> {
        let mut script = Self::of_prompt(frontend, mode, speaker)?;
        match (mode, text) {
            (Mode::VoiceConversion { .. }, _) => {}
            (_, Text::Whole(text)) => script.add_segments(frontend, text)?,
            (_, Text::Pieces(pieces)) => script.add_pieces(frontend, pieces)?,
        }
        Ok(script)
    }

    /// What comes before the text.
    pub(super) fn of_prompt(
        frontend: &TextFrontend,
        mode: &Mode,
        speaker: Option<&SavedSpeaker>,
    ) -> Result<Self> {
        let mut script = Self::default();
        match (mode, speaker) {
            // The speaker brings a transcript, so that of the request is not looked at.
            (Mode::ZeroShot { .. }, Some(_)) => {}
            (Mode::ZeroShot { prompt_text }, None) => {
                let normalized = frontend.normalize(prompt_text, false)?;
                script.warnings = normalized.warnings;
                script.prompt_text = normalized.text;
            }
            // The reference tokenises an instruction without normalising it.
            (Mode::Instruct { instruct }, _) => script.prompt_text = instruct.clone(),
            (Mode::CrossLingual | Mode::VoiceConversion { .. }, _) => {}
        }
        if !script.prompt_text.is_empty() {
            script.prompt_ids = frontend.ids(&script.prompt_text)?;
        }
        if let Some(speaker) = speaker {
            script.replace_prompt(speaker, mode);
        }
        Ok(script)
    }

    fn add_segments(&mut self, frontend: &TextFrontend, text: &str) -> Result<()> {
        let normalized = frontend.normalize(text, true)?;
        self.warnings.extend(normalized.warnings);
        for text in normalized.segments {
            let ids = frontend.ids(&text)?;
            self.segments.push(TextSegment { text, ids });
        }
        if !self.segments.iter().any(|s| has_words(&s.text)) {
            return Err(Error::input(
                "the text has nothing to say: it is only punctuation and blanks",
            ));
        }
        Ok(())
    }

    fn add_pieces(&mut self, frontend: &TextFrontend, pieces: &[String]) -> Result<()> {
        let mut segment = TextSegment::default();
        for piece in pieces {
            segment.text.push_str(piece);
            segment.ids.extend(frontend.ids(piece)?);
        }
        if !has_words(&segment.text) {
            return Err(nothing_to_say());
        }
        self.segments.push(segment);
        self.in_pieces = true;
        Ok(())
    }

    /// What a user should know before the text is said in `mode`, beyond the frontend's
    /// [warnings](Self::warnings): the speech will be made, and may be bad. `end` is the model's
    /// end-of-prompt token.
    pub fn cautions(&self, mode: &Mode, end: &EndOfPrompt) -> Vec<String> {
        let mut cautions = Vec::new();
        if !matches!(mode, Mode::ZeroShot { .. }) || self.prompt_text.is_empty() {
            return cautions;
        }
        let after = self.prompt_text.rsplit_once(end.token);
        if after.is_some_and(|(_, transcript)| !has_words(transcript)) {
            cautions.push(format!(
                "the prompt's text is only an instruction: what is said in the recording belongs \
                 after `{}`, or use the mode cross-lingual",
                end.token
            ));
        }
        // As in the reference, the whole prompt counts, and half of it is the limit.
        let characters = |text: &str| text.chars().count();
        let prompt = characters(&self.prompt_text);
        let short = |segment: &&TextSegment| 2 * characters(&segment.text) < prompt;
        let short: Vec<_> = match self.in_pieces {
            true => Vec::new(),
            false => self.segments.iter().filter(short).collect(),
        };
        if let Some(first) = short.first() {
            cautions.push(format!(
                "{} of {} segment(s) are far shorter than the prompt's text of {prompt} characters, \
                 which may sound bad: {:?}",
                short.len(),
                self.segments.len(),
                first.text
            ));
        }
        cautions
    }

    /// Puts a saved speaker's transcript in the place of the prompt's.
    ///
    /// As in the reference, it also replaces an instruction, which then has no effect; the warnings
    /// say so.
    fn replace_prompt(&mut self, speaker: &SavedSpeaker, mode: &Mode) {
        match mode {
            Mode::CrossLingual | Mode::VoiceConversion { .. } => return,
            Mode::ZeroShot { .. } => {}
            Mode::Instruct { .. } => self.warnings.push(
                "the saved speaker's transcript replaces the instruction, as in the reference: an \
                 instruction needs the recording of the voice itself"
                    .to_owned(),
            ),
        }
        self.prompt_text = String::new();
        self.prompt_ids = speaker.prompt_text_ids.clone();
    }
}
