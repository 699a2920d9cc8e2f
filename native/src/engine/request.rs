use crate::audio::Waveform;
use crate::model_dir::SavedSpeaker;
use crate::{Error, Result};

/// How text and voice reach the model; the reference's `inference_*` methods.
#[derive(Clone, Debug)]
pub enum Mode {
    /// The voice prompt's own words are known and continue into the text.
    ZeroShot {
        /// What is said in the voice prompt, after the system prompt and `<|endofprompt|>`.
        prompt_text: String,
    },
    /// Only the voice is taken; the text carries its own `<|endofprompt|>` prefix.
    CrossLingual,
    /// An instruction on how to speak, ending in `<|endofprompt|>`; taken as it is.
    Instruct {
        /// The instruction.
        instruct: String,
    },
    /// The words of another recording, in the prompt's voice. Has no text.
    VoiceConversion {
        /// The recording whose words are kept.
        source: Waveform,
    },
}

/// One thing to say.
#[derive(Clone, Debug)]
pub struct Request {
    /// The text; ignored in voice conversion.
    pub text: String,
    /// How text and voice are combined.
    pub mode: Mode,
    /// Playback speed; 1 is natural, 2 is twice as fast.
    pub speed: f64,
}

impl Request {
    /// Refuses what the engine could not say, before a model is even loaded: a text without
    /// `<|endofprompt|>`, or an impossible speed. Not for a saved speaker, whose prompt is not
    /// part of the request.
    pub fn check(&self) -> Result<()> {
        self.check_speed()?;
        let prompt = match &self.mode {
            Mode::ZeroShot { prompt_text } => prompt_text,
            Mode::Instruct { instruct } => instruct,
            Mode::CrossLingual => "",
            Mode::VoiceConversion { .. } => return Ok(()),
        };
        if [prompt, &self.text]
            .iter()
            .any(|t| t.contains("<|endofprompt|>"))
        {
            Ok(())
        } else {
            Err(crate::llm::no_end_of_prompt())
        }
    }

    pub(super) fn check_speed(&self) -> Result<()> {
        if self.speed.is_finite() && self.speed > 0.0 {
            return Ok(());
        }
        Err(Error::input(format!(
            "a speed of {} is not possible: it must be above 0",
            self.speed
        )))
    }
}

/// What the text frontend made of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The normalised prompt or instruction text; empty where the mode has none.
    pub prompt_text: String,
    /// Its token ids.
    pub prompt_ids: Vec<u32>,
    /// The text's segments, synthesised one after the other.
    pub segments: Vec<ScriptSegment>,
    /// Whether the text arrives while it is spoken ([`Engine::script_in_pieces`]).
    ///
    /// [`Engine::script_in_pieces`]: super::Engine::script_in_pieces
    pub arrives: bool,
    /// What the frontend wants the user to know.
    pub warnings: Vec<String>,
}

/// One segment of a [`Script`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptSegment {
    /// The normalised text.
    pub text: String,
    /// Its token ids.
    pub ids: Vec<u32>,
}

impl Script {
    /// The same, said by a saved speaker: its words stand where the prompt's stood.
    ///
    /// As in the reference, they also stand in the place of an instruction, which is not heard
    /// then; the warnings say so.
    pub fn said_by(mut self, speaker: &SavedSpeaker, mode: &Mode) -> Self {
        match mode {
            Mode::CrossLingual | Mode::VoiceConversion { .. } => return self,
            Mode::ZeroShot { .. } => {}
            Mode::Instruct { .. } => self.warnings.push(
                "a saved speaker's own prompt takes the place of the instruction, as in the \
                 reference: to be heard, the instruction needs the recording itself"
                    .to_owned(),
            ),
        }
        self.prompt_text = String::new();
        self.prompt_ids = speaker.prompt_text_ids.clone();
        self
    }
}
