//! Stages as recordings key them, and which of them a case, a feed and a golden have.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use native::stage::RequestTraits;
pub use native::stage::{FLOW_STEPS, Stage, UnknownStage, ValueKind};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::case::{Case, Keep};

/// Where a stage's inputs come from.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Feed {
    /// From the golden: what fails here was introduced here.
    Isolated,
    /// From the engine's own earlier stages: errors are inherited.
    #[default]
    Cascaded,
}

impl Feed {
    /// Both, isolated first.
    pub const ALL: [Self; 2] = [Self::Isolated, Self::Cascaded];

    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Isolated => "isolated",
            Self::Cascaded => "cascaded",
        }
    }

    /// Whether a run under this feed has to produce `stage`. Logits are teacher-forced, so they
    /// exist isolated; the delivered sound exists from end to end.
    pub fn requires(self, stage: Stage) -> bool {
        match stage {
            Stage::LlmLogitRows | Stage::LlmLogits => self == Self::Isolated,
            Stage::SpeechChunks | Stage::Speech => self == Self::Cascaded,
            _ => true,
        }
    }

    /// Whether a run under this feed may produce `stage`, if it does not have to: isolated, the sound
    /// is what flow and vocoder make of the golden's tokens.
    pub fn allows(self, stage: Stage) -> bool {
        self.requires(stage) || stage == Stage::Speech
    }
}

impl Case {
    /// Whether a synthesis of the case passes through `stage`.
    pub fn has(&self, stage: Stage) -> bool {
        stage.occurs_in(RequestTraits {
            conversion: self.is_conversion(),
            in_pieces: self.in_pieces(),
            streamed: self.stream,
        })
    }

    /// Whether a golden of the case keeps `stage`.
    pub fn keeps(&self, stage: Stage) -> bool {
        let exact = matches!(stage.kind(), ValueKind::Text | ValueKind::Tokens);
        let exact = exact && !stage.is_auxiliary();
        match self.keep {
            Keep::Everything => true,
            Keep::Sound => exact || SOUND.contains(&stage),
            Keep::Tokens => exact,
        }
    }
}

/// What [`Keep::Sound`] keeps beside texts and tokens.
const SOUND: [Stage; 5] = [
    Stage::PromptMel,
    Stage::PromptSpeakerEmbedding,
    Stage::FlowMel,
    Stage::VocoderF0,
    Stage::Speech,
];

/// One value of a recording: a stage, of a segment if every segment has one, or a point within it,
/// such as a layer. Written `flow.mel[0]`, `prompt.mel`, `llm.logits/layers.03[0]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The stage.
    pub stage: Stage,
    /// The segment, counted from 0, for stages of which every segment has one.
    pub segment: Option<usize>,
    /// A point within the stage. Names sort in the order of computation.
    pub tap: Option<String>,
}

impl Key {
    /// A stage of the case as a whole.
    pub fn whole(stage: Stage) -> Self {
        Self {
            stage,
            segment: None,
            tap: None,
        }
    }

    /// A stage of one segment, counted from 0.
    pub fn segment(stage: Stage, segment: usize) -> Self {
        Self {
            stage,
            segment: Some(segment),
            tap: None,
        }
    }

    /// The same, at a point within the stage.
    pub fn tap(mut self, name: impl Into<String>) -> Self {
        self.tap = Some(name.into());
        self
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.stage)?;
        if let Some(tap) = &self.tap {
            write!(f, "/{tap}")?;
        }
        match self.segment {
            Some(segment) => write!(f, "[{segment}]"),
            None => Ok(()),
        }
    }
}

impl FromStr for Key {
    type Err = UnknownStage;

    fn from_str(key: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownStage(key.into());
        let (name, segment) = match key.strip_suffix(']') {
            Some(rest) => {
                let (name, number) = rest.split_once('[').ok_or_else(unknown)?;
                (name, Some(number.parse().map_err(|_| unknown())?))
            }
            None => (key, None),
        };
        let (name, tap) = match name.split_once('/') {
            Some((name, tap)) => (name, Some(tap.to_owned())),
            None => (name, None),
        };
        let stage: Stage = name.parse().map_err(|_| unknown())?;
        if stage.per_segment() == segment.is_some() {
            Ok(Self {
                stage,
                segment,
                tap,
            })
        } else {
            Err(unknown())
        }
    }
}

impl Serialize for Key {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let key = String::deserialize(deserializer)?;
        key.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Key {
    fn schema_name() -> Cow<'static, str> {
        "Key".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": r"^[a-z][a-z0-9_.]*(/[^\[\]]+)?(\[[0-9]+\])?$",
            "description": "A stage, where there is one a tap within it, and the segment.",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_being_written() {
        let keys = [
            ("prompt.mel", Key::whole(Stage::PromptMel)),
            ("flow.step.07[2]", Key::segment(Stage::FlowStep(7), 2)),
            (
                "llm.logits/layers.03[0]",
                Key::segment(Stage::LlmLogits, 0).tap("layers.03"),
            ),
        ];
        for (text, key) in keys {
            assert_eq!(key.to_string(), text);
            assert_eq!(text.parse::<Key>().unwrap(), key);
        }
    }

    #[test]
    fn what_names_no_stage_is_refused() {
        for bad in [
            "",
            "mel",
            "flow.step.11[0]",
            "flow.mel",
            "prompt.mel[0]",
            "flow.mel[x]",
            "flow.mel]",
        ] {
            assert!(bad.parse::<Key>().is_err(), "{bad}");
        }
    }
}
