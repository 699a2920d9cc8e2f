use super::{Engine, Mode, Request, Text};
use crate::llm::{LmPrompt, Sampler, TokenStream};
use crate::model_dir::SavedSpeaker;
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
        let mut script = self.prompt_script(mode)?;
        match (mode, text) {
            (Mode::VoiceConversion { .. }, _) => {}
            (_, Text::Whole(text)) => self.add_segments(&mut script, text)?,
            (_, Text::Pieces(pieces)) => self.add_pieces(&mut script, pieces)?,
        }
        if let Some(speaker) = speaker {
            script.replace_prompt(speaker, mode);
        }
        Ok(script)
    }

    /// The text stage of the prompt alone, with no segments yet.
    fn prompt_script(&self, mode: &Mode) -> Result<Script> {
        let mut script = Script::default();
        match mode {
            Mode::ZeroShot { prompt_text } => {
                let normalized = self.frontend.normalize(prompt_text, false)?;
                script.warnings = normalized.warnings;
                script.prompt_text = normalized.text;
            }
            // The reference tokenises an instruction without normalising it.
            Mode::Instruct { instruct } => script.prompt_text = instruct.clone(),
            Mode::CrossLingual | Mode::VoiceConversion { .. } => {}
        }
        if !script.prompt_text.is_empty() {
            script.prompt_ids = self.frontend.ids(&script.prompt_text)?;
        }
        Ok(script)
    }

    fn add_segments(&self, script: &mut Script, text: &str) -> Result<()> {
        let normalized = self.frontend.normalize(text, true)?;
        script.warnings.extend(normalized.warnings);
        for text in normalized.segments {
            let ids = self.frontend.ids(&text)?;
            script.segments.push(TextSegment { text, ids });
        }
        if script.segments.is_empty() {
            return Err(Error::input(
                "the text has nothing to say: it is only punctuation",
            ));
        }
        Ok(())
    }

    fn add_pieces(&self, script: &mut Script, pieces: &[String]) -> Result<()> {
        let mut segment = TextSegment::default();
        for piece in pieces {
            segment.text.push_str(piece);
            segment.ids.extend(self.frontend.ids(piece)?);
        }
        if segment.ids.is_empty() {
            return Err(Error::input(
                "the pieces of the text are empty: there is nothing to say",
            ));
        }
        script.segments.push(segment);
        script.in_pieces = true;
        Ok(())
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
