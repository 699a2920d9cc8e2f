//! A case as files have it: flat, in the field order that the hashes of recordings rest on.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Case, Keep, LmSet, Mode, ModeName, Speaker, Text};

/// One synthesis: everything that decides its result except the model.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Case")]
pub(super) struct RawCase {
    /// Unique; made of a–z, 0–9 and hyphens, because it names a folder.
    pub(super) name: String,
    /// How the voice is given.
    mode: ModeName,
    /// The text; empty for voice conversion, and where there are pieces.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    text: String,
    /// The text in pieces, which arrive while it is spoken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pieces: Vec<String>,
    /// The prompt's transcript, for zero-shot and for a saved speaker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prompt_text: Option<String>,
    /// The recording of the voice; relative to the cases file.
    prompt_wav: PathBuf,
    /// The name under which the voice is saved before the synthesis, and read back for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    speaker: Option<String>,
    /// The instruction, for instruct.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    instruct: Option<String>,
    /// The recording to convert, for voice conversion; relative to the cases file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source_wav: Option<PathBuf>,
    /// The language model's weights; those of the whole recording if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lm_weights: Option<LmSet>,
    /// The seed of torch's generator, set before the synthesis.
    #[serde(default)]
    seed: u64,
    /// Whether the sound is delivered in chunks while the language model still samples.
    #[serde(default)]
    stream: bool,
    /// Speed of speech, 1 being the model's own.
    #[serde(default = "one")]
    speed: f64,
    /// Which stages a golden keeps.
    #[serde(default)]
    keep: Keep,
}

fn one() -> f64 {
    1.0
}

impl TryFrom<RawCase> for Case {
    type Error = String;

    /// Fails if a field that the mode needs is missing, or one is there that it does not use.
    fn try_from(mut raw: RawCase) -> Result<Self, String> {
        let mode = raw.take_mode()?;
        let speaker = raw.take_speaker(&mode)?;
        raw.refuse_unused()?;
        Ok(Self {
            name: raw.name,
            mode,
            prompt_wav: raw.prompt_wav,
            speaker,
            lm_weights: raw.lm_weights,
            seed: raw.seed,
            stream: raw.stream,
            speed: raw.speed,
            keep: raw.keep,
        })
    }
}

impl RawCase {
    fn take_mode(&mut self) -> Result<Mode, String> {
        Ok(match self.mode {
            ModeName::ZeroShot => Mode::ZeroShot {
                text: self.take_text()?,
                prompt_text: needed(self.mode, "prompt_text", self.prompt_text.clone())?,
            },
            ModeName::CrossLingual => Mode::CrossLingual {
                text: self.take_text()?,
            },
            ModeName::Instruct => Mode::Instruct {
                text: self.take_text()?,
                instruct: needed(self.mode, "instruct", self.instruct.take())?,
            },
            ModeName::Vc => Mode::Vc {
                source_wav: needed(self.mode, "source_wav", self.source_wav.take())?,
            },
        })
    }

    /// The text; where there are pieces, `text` is left for [`Self::refuse_unused`].
    fn take_text(&mut self) -> Result<Text, String> {
        if !self.pieces.is_empty() {
            return Ok(Text::Pieces(std::mem::take(&mut self.pieces)));
        }
        let text = std::mem::take(&mut self.text);
        let text = (!text.is_empty()).then_some(text);
        needed(self.mode, "text", text).map(Text::Whole)
    }

    /// The saved speaker; its transcript is the prompt's.
    fn take_speaker(&mut self, mode: &Mode) -> Result<Option<Speaker>, String> {
        let Some(name) = self.speaker.take() else {
            if matches!(mode, Mode::ZeroShot { .. }) {
                self.prompt_text = None;
            }
            return Ok(None);
        };
        let transcript = needed(self.mode, "prompt_text", self.prompt_text.take())?;
        Ok(Some(Speaker { name, transcript }))
    }

    /// Refuses what nothing has taken.
    fn refuse_unused(&self) -> Result<(), String> {
        let left = [
            ("text", !self.text.is_empty()),
            ("pieces", !self.pieces.is_empty()),
            ("prompt_text", self.prompt_text.is_some()),
            ("instruct", self.instruct.is_some()),
            ("source_wav", self.source_wav.is_some()),
        ];
        match left.iter().find(|(_, left)| *left) {
            Some((field, _)) => Err(format!("mode {} has no use for {field}", self.mode)),
            None => Ok(()),
        }
    }
}

fn needed<T>(mode: ModeName, field: &str, value: Option<T>) -> Result<T, String> {
    value.ok_or_else(|| format!("mode {mode} needs {field}"))
}

impl From<Case> for RawCase {
    fn from(case: Case) -> Self {
        let mode = case.mode_name();
        let (text, pieces) = match case.text() {
            Some(Text::Whole(text)) => (text.clone(), Vec::new()),
            Some(Text::Pieces(pieces)) => (String::new(), pieces.clone()),
            None => Default::default(),
        };
        Self {
            mode,
            text,
            pieces,
            prompt_text: case.prompt_text().map(str::to_owned),
            instruct: case.instruct().map(str::to_owned),
            source_wav: case.source_wav().map(ToOwned::to_owned),
            name: case.name,
            prompt_wav: case.prompt_wav,
            speaker: case.speaker.map(|speaker| speaker.name),
            lm_weights: case.lm_weights,
            seed: case.seed,
            stream: case.stream,
            speed: case.speed,
            keep: case.keep,
        }
    }
}
