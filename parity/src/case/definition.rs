use std::path::{Component, Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ModeName;
use super::raw::RawCase;

/// Most characters of a name, which becomes a folder's.
const LONGEST_NAME: usize = 100;

/// Most characters of a text. It is a test's input: what is longer was meant for another file.
const LONGEST_TEXT: usize = 20_000;

/// Largest seed: the reference seeds NumPy too, whose seeds have 32 bits.
const LARGEST_SEED: u64 = u32::MAX as u64;

/// Speeds at which there is still speech to compare.
const SPEEDS: std::ops::RangeInclusive<f64> = 0.1..=10.0;

/// How text and voice are combined, with what each mode takes.
#[derive(Clone, Debug, PartialEq)]
pub enum Mode {
    /// A voice prompt with its transcript.
    ZeroShot {
        /// The text to speak.
        text: Text,
        /// The transcript of the voice prompt.
        prompt_text: String,
    },
    /// A voice prompt alone, possibly in another language.
    CrossLingual {
        /// The text to speak.
        text: Text,
    },
    /// A voice prompt and an instruction in words.
    Instruct {
        /// The text to speak.
        text: Text,
        /// The instruction.
        instruct: String,
    },
    /// Voice conversion: another recording in the prompt's voice.
    Vc {
        /// The recording to convert; relative to the cases file.
        source_wav: PathBuf,
    },
}

/// The text to speak.
#[derive(Clone, Debug, PartialEq)]
pub enum Text {
    /// Known from the start.
    Whole(String),
    /// In pieces, which arrive while it is spoken.
    Pieces(Vec<String>),
}

impl Text {
    /// The pieces joined.
    pub fn joined(&self) -> String {
        match self {
            Self::Whole(text) => text.clone(),
            Self::Pieces(pieces) => pieces.concat(),
        }
    }
}

/// A speaker that is saved from the voice prompt before the synthesis, and read back for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Speaker {
    /// The name in the speakers file.
    pub name: String,
    /// The transcript of the voice prompt, which is saved with it.
    pub transcript: String,
}

/// Which stages of a case a golden keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// Every stage.
    #[default]
    Everything,
    /// Texts, tokens and the sound, with the outputs of the prompt, the flow and the pitch
    /// predictor, but not the steps between.
    Sound,
    /// Texts, ids and token lists, which are small enough to keep for many cases.
    Tokens,
}

/// Which weights of the language model a case is for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum LmSet {
    /// `llm.pt`, which the reference loads.
    Base,
    /// `llm.rl.pt`, after reinforcement learning.
    Rl,
}

impl LmSet {
    /// The set that a weight file belongs to, by its name.
    pub fn of_file(file: &str) -> Self {
        if file.starts_with("llm.rl.") {
            Self::Rl
        } else {
            Self::Base
        }
    }

    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Rl => "rl",
        }
    }
}

/// One synthesis: everything that decides its result except the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "RawCase", into = "RawCase")]
pub struct Case {
    /// Unique; made of a–z, 0–9 and hyphens, because it names a folder.
    pub name: String,
    /// The mode, with its text and inputs.
    pub mode: Mode,
    /// The recording of the voice; relative to the cases file.
    pub prompt_wav: PathBuf,
    /// Speak with a saved speaker.
    pub speaker: Option<Speaker>,
    /// The language model's weights; those of the whole recording if absent.
    pub lm_weights: Option<LmSet>,
    /// The seed of torch's generator, set before the synthesis.
    pub seed: u64,
    /// Whether the sound is delivered in chunks while the language model still samples.
    pub stream: bool,
    /// Speed of speech, 1 being the model's own.
    pub speed: f64,
    /// Which stages a golden keeps.
    pub keep: Keep,
}

impl Case {
    /// The name of the mode.
    pub fn mode_name(&self) -> ModeName {
        match self.mode {
            Mode::ZeroShot { .. } => ModeName::ZeroShot,
            Mode::CrossLingual { .. } => ModeName::CrossLingual,
            Mode::Instruct { .. } => ModeName::Instruct,
            Mode::Vc { .. } => ModeName::Vc,
        }
    }

    /// Whether it converts a recording instead of speaking a text.
    pub fn is_conversion(&self) -> bool {
        matches!(self.mode, Mode::Vc { .. })
    }

    /// The text; none for voice conversion.
    pub fn text(&self) -> Option<&Text> {
        match &self.mode {
            Mode::ZeroShot { text, .. }
            | Mode::CrossLingual { text }
            | Mode::Instruct { text, .. } => Some(text),
            Mode::Vc { .. } => None,
        }
    }

    /// Whether the text arrives in pieces while it is spoken.
    pub fn in_pieces(&self) -> bool {
        matches!(self.text(), Some(Text::Pieces(_)))
    }

    /// The transcript of the voice prompt, for zero-shot and for a saved speaker.
    pub fn prompt_text(&self) -> Option<&str> {
        match (&self.mode, &self.speaker) {
            (_, Some(speaker)) => Some(&speaker.transcript),
            (Mode::ZeroShot { prompt_text, .. }, None) => Some(prompt_text),
            _ => None,
        }
    }

    /// The instruction, for instruct.
    pub fn instruct(&self) -> Option<&str> {
        match &self.mode {
            Mode::Instruct { instruct, .. } => Some(instruct),
            _ => None,
        }
    }

    /// The recording to convert, for voice conversion.
    pub fn source_wav(&self) -> Option<&Path> {
        match &self.mode {
            Mode::Vc { source_wav } => Some(source_wav),
            _ => None,
        }
    }

    /// Whether a case or recording may have this name: a–z, 0–9 and hyphens, 1 to 100 of them.
    pub fn is_name(name: &str) -> bool {
        (1..=LONGEST_NAME).contains(&name.len())
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    }

    /// Checks the name and the combinations that no engine can run.
    ///
    /// # Errors
    /// The reason, if the case cannot be run.
    pub fn check(&self) -> Result<(), String> {
        let speed = self.speed;
        if !Self::is_name(&self.name) {
            return Err(format!(
                "a name is made of 1 to {LONGEST_NAME} of a-z, 0-9 and hyphens"
            ));
        }
        if !SPEEDS.contains(&speed) {
            let (slowest, fastest) = (SPEEDS.start(), SPEEDS.end());
            return Err(format!(
                "speed is {speed}, but must be from {slowest} to {fastest}"
            ));
        }
        if self.seed > LARGEST_SEED {
            return Err(format!(
                "seed is {}, but the reference takes at most {LARGEST_SEED}",
                self.seed
            ));
        }
        self.check_texts()?;
        for wav in std::iter::once(&*self.prompt_wav).chain(self.source_wav()) {
            check_path(wav)?;
        }
        if self.stream && speed != 1.0 {
            return Err(format!(
                "speed is {speed}, but the reference cannot change the speed of a stream"
            ));
        }
        let conversion = self.is_conversion();
        let tokens_only = self.keep == Keep::Tokens;
        let refused = [
            (
                conversion && self.speaker.is_some(),
                "mode vc does not support a saved speaker",
            ),
            (
                conversion && self.lm_weights.is_some(),
                "mode vc has no use for lm_weights",
            ),
            (
                conversion && tokens_only,
                "mode vc samples no tokens to keep",
            ),
            (
                matches!(
                    self.mode,
                    Mode::CrossLingual {
                        text: Text::Pieces(_)
                    }
                ),
                "text in pieces needs a prompt with <|endofprompt|>, which mode cross-lingual \
                 does not have",
            ),
            (
                self.stream && self.in_pieces(),
                "text in pieces cannot be streamed: the reference waits forever if a mark ends \
                 the speech out of place",
            ),
            (
                tokens_only && (self.stream || speed != 1.0),
                "a case that keeps only tokens has no sound to stream or to speed up",
            ),
            (
                self.speaker.as_ref().is_some_and(|s| s.name.is_empty()),
                "a saved speaker needs a name",
            ),
        ];
        match refused.iter().find(|(refused, _)| *refused) {
            Some((_, reason)) => Err((*reason).into()),
            None => Ok(()),
        }
    }

    fn check_texts(&self) -> Result<(), String> {
        let text = self.text().map(Text::joined);
        if text.as_ref().is_some_and(|t| t.trim().is_empty()) {
            return Err("the text is empty".into());
        }
        let speaker = self.speaker.as_ref().map(|s| &*s.name);
        let texts = [
            ("text", text.as_deref()),
            ("prompt_text", self.prompt_text()),
            ("instruct", self.instruct()),
            ("speaker", speaker),
        ];
        for (field, text) in texts {
            let length = text.map_or(0, |t| t.chars().count());
            if length > LONGEST_TEXT {
                return Err(format!(
                    "{field} has {length} characters, and at most {LONGEST_TEXT} are allowed"
                ));
            }
        }
        Ok(())
    }
}

/// Refuses a recording that is not below the folder of the cases file: nobody else has it there.
fn check_path(wav: &Path) -> Result<(), String> {
    let shown = wav.display();
    if wav.as_os_str().is_empty() {
        return Err("the path of a recording is empty".into());
    }
    let inside = |c: Component| matches!(c, Component::Normal(_) | Component::CurDir);
    if wav.components().all(inside) {
        Ok(())
    } else {
        Err(format!(
            "{shown} leads out of the folder of the cases file: put the recording below it"
        ))
    }
}
