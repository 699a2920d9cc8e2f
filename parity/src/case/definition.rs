use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the voice is given to the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// A prompt recording and its transcript.
    ZeroShot,
    /// A prompt recording alone, possibly of another language.
    CrossLingual,
    /// A prompt recording and an instruction in words.
    Instruct,
    /// Voice conversion: another recording is said again in the prompt's voice.
    Vc,
}

impl Mode {
    /// The name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::ZeroShot => "zero-shot",
            Self::CrossLingual => "cross-lingual",
            Self::Instruct => "instruct",
            Self::Vc => "vc",
        }
    }
}

/// Which stages of a case a golden keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// Every stage.
    #[default]
    Everything,
    /// Texts, tokens and the sound, with what the prompt, the flow and the pitch predictor made
    /// of them, but not the steps between.
    Sound,
    /// Texts, ids and token lists: small enough to keep many cases of them.
    Tokens,
}

/// Which weights of the language model a case is for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum LmSet {
    /// Those that the reference loads, `llm.pt`.
    Base,
    /// Those after reinforcement learning, `llm.rl.pt`.
    Rl,
}

impl LmSet {
    /// Which set a weight file is, by its name.
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

/// One synthesis: everything that decides its result but the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Unique; of a–z, 0–9 and hyphens, for it names a folder.
    pub name: String,
    /// How the voice is given.
    pub mode: Mode,
    /// What to say; empty for voice conversion, and where there are pieces.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// What to say, piece by piece: the text arrives while it is spoken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pieces: Vec<String>,
    /// The prompt's transcript, for zero-shot and for a saved speaker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_text: Option<String>,
    /// The recording of the voice; relative to the cases file.
    pub prompt_wav: PathBuf,
    /// Under this name the voice is saved before the synthesis, and read back for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speaker: Option<String>,
    /// The instruction, for instruct.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instruct: Option<String>,
    /// The recording to convert, for voice conversion; relative to the cases file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_wav: Option<PathBuf>,
    /// The language model's weights; those of the whole recording if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lm_weights: Option<LmSet>,
    /// The seed of torch's generator, set before the synthesis.
    #[serde(default)]
    pub seed: u64,
    /// Whether the sound is delivered in chunks while the language model still samples.
    #[serde(default)]
    pub stream: bool,
    /// Speed of speech, 1 being the model's own.
    #[serde(default = "one")]
    pub speed: f64,
    /// Which stages a golden keeps of it.
    #[serde(default)]
    pub keep: Keep,
}

fn one() -> f64 {
    1.0
}

impl Case {
    /// Whether the text arrives in pieces while it is spoken.
    pub fn in_pieces(&self) -> bool {
        !self.pieces.is_empty()
    }

    /// Whether a case or recording may bear this name: a–z, 0–9 and hyphens, not empty.
    pub fn is_name(name: &str) -> bool {
        !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    }

    /// Checks the name and the fields that the mode needs; says what is wrong.
    pub fn check(&self) -> Result<(), String> {
        if !Self::is_name(&self.name) {
            return Err("a name is made of a-z, 0-9 and hyphens".into());
        }
        if !(self.speed.is_finite() && self.speed > 0.0) {
            return Err(format!(
                "speed is {}, but must be a positive number",
                self.speed
            ));
        }
        if self.stream && self.speed != 1.0 {
            return Err(format!(
                "speed is {}, but the reference does not change the speed of a stream",
                self.speed
            ));
        }
        let vc = self.mode == Mode::Vc;
        let fields = [
            ("text", !self.text.is_empty(), !vc && self.pieces.is_empty()),
            (
                "prompt_text",
                self.prompt_text.is_some(),
                self.mode == Mode::ZeroShot || self.speaker.is_some(),
            ),
            (
                "instruct",
                self.instruct.is_some(),
                self.mode == Mode::Instruct,
            ),
            ("source_wav", self.source_wav.is_some(), vc),
        ];
        let mode = self.mode.name();
        for (field, given, wanted) in fields {
            match (given, wanted) {
                (false, true) => return Err(format!("mode {mode} needs {field}")),
                (true, false) => return Err(format!("mode {mode} has no use for {field}")),
                _ => {}
            }
        }
        let tokens_only = self.keep == Keep::Tokens;
        let refused = [
            (
                vc && self.speaker.is_some(),
                "mode vc takes no saved speaker",
            ),
            (
                vc && self.lm_weights.is_some(),
                "mode vc has no use for lm_weights",
            ),
            (vc && tokens_only, "mode vc samples no tokens to keep"),
            (
                self.mode == Mode::CrossLingual && !self.pieces.is_empty(),
                "text in pieces needs a prompt with <|endofprompt|>, which mode cross-lingual has \
                 not",
            ),
            (
                self.stream && !self.pieces.is_empty(),
                "where text arrives in pieces and the sound is streamed, the reference waits for \
                 ever if a mark ends the speech out of place",
            ),
            (
                tokens_only && (self.stream || self.speed != 1.0),
                "where only tokens are kept there is no sound to stream or to speed up",
            ),
            (
                self.speaker.as_deref() == Some(""),
                "a saved speaker needs a name",
            ),
        ];
        match refused.iter().find(|(refused, _)| *refused) {
            Some((_, reason)) => Err((*reason).into()),
            None => Ok(()),
        }
    }
}
