//! The stages of a synthesis, in the order in which they are computed.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::case::{Case, Keep, Mode};

/// Euler steps of the flow.
pub const FLOW_STEPS: u8 = 10;

/// A point of the pipeline at which two engines are compared. Ordered as computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The normalised prompt text and segments.
    TextNormalized,
    /// The token ids of the prompt text and of each segment.
    TextIds,
    /// Log-mel of the prompt at 24 kHz, [frames, 80].
    PromptMel,
    /// Whisper's log-mel of the prompt at 16 kHz, [128, frames].
    PromptWhisperMel,
    /// Kaldi filter banks of the prompt, mean-subtracted, [frames, 80].
    PromptFbank,
    /// Speech tokens of the prompt, `[n]`.
    PromptSpeechTokens,
    /// Speaker embedding of the prompt, `[192]`.
    PromptSpeakerEmbedding,
    /// Whisper's log-mel of the recording to convert, [128, frames].
    SourceWhisperMel,
    /// Speech tokens of the recording to convert, `[n]`.
    SourceSpeechTokens,
    /// The positions that `llm.logits` holds, `[rows]`.
    LlmLogitRows,
    /// Next-token logits, teacher-forced on the reference's tokens, [rows, vocabulary].
    LlmLogits,
    /// Speech tokens as sampled, `[n]`.
    LlmTokens,
    /// The mark that ended the sampled tokens, or −1 where their greatest number did, `[1]`.
    LlmStop,
    /// Sampled speech tokens that reach the flow: long silences are cut, `[n]`.
    LlmTokensKept,
    /// The flow's conditioning, prompt included, [80, frames].
    FlowMu,
    /// The flow's state after an Euler step, 1 to 10, prompt included, [80, frames].
    FlowStep(u8),
    /// The mel without the prompt, [80, frames].
    FlowMel,
    /// Fundamental frequency in Hz, `[frames]`.
    VocoderF0,
    /// The excitation at 24 kHz, `[samples]`.
    VocoderSource,
    /// The waveform of one segment, `[samples]`.
    VocoderWav,
    /// Samples of every chunk delivered, `[chunks]`.
    SpeechChunks,
    /// All segments joined: the sound that the user hears.
    Speech,
}

/// What a stage hands out, which decides how it is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ValueKind {
    /// Strings.
    Text,
    /// Lists of integers.
    Tokens,
    /// Scores over a vocabulary.
    Logits,
    /// Floats in time and channels.
    Tensor,
    /// Sound.
    Audio,
}

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
}

impl Stage {
    /// Every stage, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        use Stage::*;
        let before = [
            TextNormalized,
            TextIds,
            PromptMel,
            PromptWhisperMel,
            PromptFbank,
            PromptSpeechTokens,
            PromptSpeakerEmbedding,
            SourceWhisperMel,
            SourceSpeechTokens,
            LlmLogitRows,
            LlmLogits,
            LlmTokens,
            LlmStop,
            LlmTokensKept,
            FlowMu,
        ];
        let after = [
            FlowMel,
            VocoderF0,
            VocoderSource,
            VocoderWav,
            SpeechChunks,
            Speech,
        ];
        before
            .into_iter()
            .chain((1..=FLOW_STEPS).map(FlowStep))
            .chain(after)
    }

    /// How it is compared.
    pub fn kind(self) -> ValueKind {
        use Stage::*;
        match self {
            TextNormalized => ValueKind::Text,
            TextIds | PromptSpeechTokens | SourceSpeechTokens | LlmLogitRows | LlmTokens
            | LlmStop | LlmTokensKept | SpeechChunks => ValueKind::Tokens,
            LlmLogits => ValueKind::Logits,
            PromptMel
            | PromptWhisperMel
            | PromptFbank
            | PromptSpeakerEmbedding
            | SourceWhisperMel
            | FlowMu
            | FlowStep(_)
            | FlowMel
            | VocoderF0 => ValueKind::Tensor,
            VocoderSource | VocoderWav | Speech => ValueKind::Audio,
        }
    }

    /// Whether every segment of the text has one, and not the case as a whole.
    pub fn per_segment(self) -> bool {
        use Stage::*;
        matches!(
            self,
            LlmLogitRows
                | LlmLogits
                | LlmTokens
                | LlmStop
                | LlmTokensKept
                | FlowMu
                | FlowStep(_)
                | FlowMel
                | VocoderF0
                | VocoderSource
                | VocoderWav
        )
    }

    /// The axis along which time runs, where there is one beside the channels.
    pub fn time_axis(self) -> Option<usize> {
        use Stage::*;
        match self {
            PromptMel | PromptFbank | LlmLogits => Some(0),
            PromptWhisperMel | SourceWhisperMel | FlowMu | FlowStep(_) | FlowMel => Some(1),
            _ => None,
        }
    }

    /// Whether it gets a verdict. `llm.logit_rows` only says which rows `llm.logits` has, and is
    /// judged with it.
    pub fn is_judged(self) -> bool {
        self != Self::LlmLogitRows
    }

    /// Whether it is a tensor of `tensors.safetensors`, and not in `text.json` or `audio.wav`.
    pub fn is_tensor(self) -> bool {
        !matches!(self, Self::TextNormalized | Self::TextIds | Self::Speech)
    }

    /// What it is, in one line.
    pub fn description(self) -> &'static str {
        use Stage::*;
        match self {
            TextNormalized => "normalised prompt text and segments",
            TextIds => "token ids of the prompt text and of each segment",
            PromptMel => "log-mel of the prompt at 24 kHz, 80 channels",
            PromptWhisperMel => "Whisper log-mel of the prompt at 16 kHz, 128 channels",
            PromptFbank => "Kaldi filter banks of the prompt, 80 channels, mean-subtracted",
            PromptSpeechTokens => "speech tokens of the prompt",
            PromptSpeakerEmbedding => "speaker embedding of the prompt",
            SourceWhisperMel => "Whisper log-mel of the recording to convert",
            SourceSpeechTokens => "speech tokens of the recording to convert",
            LlmLogitRows => "positions whose logits were kept",
            LlmLogits => "next-token logits, teacher-forced on the reference's tokens",
            LlmTokens => "speech tokens as sampled under the seed",
            LlmStop => "the mark that ended the sampled tokens, or -1 where their number did",
            LlmTokensKept => "sampled speech tokens that reach the flow, long silences cut",
            FlowMu => "the flow's conditioning, prompt included",
            FlowStep(_) => "the flow's state after this Euler step, prompt included",
            FlowMel => "mel of the segment, without the prompt",
            VocoderF0 => "fundamental frequency in Hz",
            VocoderSource => "excitation at 24 kHz",
            VocoderWav => "waveform of the segment",
            SpeechChunks => "samples of every chunk delivered",
            Speech => "the sound that the user hears, all segments joined",
        }
    }

    /// What the stage is fed from the golden when it is run isolated.
    pub fn isolated_input(self) -> &'static str {
        use Stage::*;
        match self {
            TextNormalized => "the text",
            TextIds => "the golden's normalised texts",
            PromptMel | PromptWhisperMel | PromptFbank => "the prompt's file",
            PromptSpeechTokens => "the golden's Whisper log-mel",
            PromptSpeakerEmbedding => "the golden's filter banks",
            SourceWhisperMel => "the file to convert",
            SourceSpeechTokens => "the golden's Whisper log-mel of the source",
            LlmLogitRows | LlmLogits => "the golden's ids, prompt tokens and sampled tokens",
            LlmTokens | LlmStop => "the golden's ids and prompt tokens, and the seed",
            LlmTokensKept => "the golden's sampled tokens",
            FlowMu => "the golden's tokens",
            FlowStep(1) => "the golden's conditioning, prompt mel and speaker embedding",
            FlowStep(_) => "the golden's state after the step before",
            FlowMel => "the golden's tokens, prompt mel and speaker embedding, through all steps",
            VocoderF0 => "the golden's mel",
            VocoderSource => "the golden's fundamental frequency",
            VocoderWav => "the golden's mel and excitation",
            SpeechChunks | Speech => "nothing: only run from end to end",
        }
    }

    /// Whether a run under `feed` has to hand it out. Logits are teacher-forced, so they exist
    /// isolated; the whole sound exists from end to end.
    pub fn required_in(self, feed: Feed) -> bool {
        match self {
            Self::LlmLogitRows | Self::LlmLogits => feed == Feed::Isolated,
            Self::SpeechChunks | Self::Speech => feed == Feed::Cascaded,
            _ => true,
        }
    }

    /// Whether a synthesis of `case` passes through it.
    pub fn applies_to(self, case: &Case) -> bool {
        use Stage::*;
        let vc = case.mode == Mode::Vc;
        match self {
            TextNormalized | TextIds | LlmTokens | LlmStop | LlmTokensKept => !vc,
            // Where text arrives in pieces, the tokens alone do not say what the model was fed.
            LlmLogitRows | LlmLogits => !vc && case.pieces.is_empty(),
            SourceWhisperMel | SourceSpeechTokens => vc,
            // A stream runs the flow and the vocoder over growing chunks, not over the segment.
            FlowMu | FlowStep(_) | FlowMel | VocoderF0 | VocoderSource | VocoderWav => !case.stream,
            SpeechChunks => case.stream,
            PromptMel
            | PromptWhisperMel
            | PromptFbank
            | PromptSpeechTokens
            | PromptSpeakerEmbedding
            | Speech => true,
        }
    }

    /// Whether a golden of `case` keeps it.
    pub fn kept_by(self, keep: Keep) -> bool {
        use Stage::*;
        let exact =
            matches!(self.kind(), ValueKind::Text | ValueKind::Tokens) && self != LlmLogitRows;
        match keep {
            Keep::Everything => true,
            Keep::Sound => {
                let few = [
                    PromptMel,
                    PromptSpeakerEmbedding,
                    FlowMel,
                    VocoderF0,
                    Speech,
                ];
                exact || few.contains(&self)
            }
            Keep::Tokens => exact,
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Stage::*;
        let name = match self {
            TextNormalized => "text.normalized",
            TextIds => "text.ids",
            PromptMel => "prompt.mel",
            PromptWhisperMel => "prompt.whisper_mel",
            PromptFbank => "prompt.fbank",
            PromptSpeechTokens => "prompt.speech_tokens",
            PromptSpeakerEmbedding => "prompt.speaker_embedding",
            SourceWhisperMel => "source.whisper_mel",
            SourceSpeechTokens => "source.speech_tokens",
            LlmLogitRows => "llm.logit_rows",
            LlmLogits => "llm.logits",
            LlmTokens => "llm.tokens",
            LlmStop => "llm.stop",
            LlmTokensKept => "llm.tokens_kept",
            FlowMu => "flow.mu",
            FlowStep(n) => return f.pad(&format!("flow.step.{n:02}")),
            FlowMel => "flow.mel",
            VocoderF0 => "vocoder.f0",
            VocoderSource => "vocoder.source",
            VocoderWav => "vocoder.wav",
            SpeechChunks => "speech.chunks",
            Speech => "speech",
        };
        f.pad(name)
    }
}

/// A name that is no stage's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" names no stage")]
pub struct UnknownStage(pub String);

impl FromStr for Stage {
    type Err = UnknownStage;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::all()
            .find(|s| s.to_string() == name)
            .ok_or_else(|| UnknownStage(name.into()))
    }
}

/// One value of a recording: a stage, of a segment where there is one for each, or a deeper tap
/// within it. Written `flow.mel[0]`, `prompt.mel`, `llm.logits/layers.03[0]`.
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

macro_rules! serde_as_string {
    ($type:ty) => {
        impl Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?
                    .parse()
                    .map_err(serde::de::Error::custom)
            }
        }
    };
}
serde_as_string!(Stage);
serde_as_string!(Key);

impl JsonSchema for Stage {
    fn schema_name() -> Cow<'static, str> {
        "Stage".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<_> = Self::all().map(|s| s.to_string()).collect();
        json_schema!({"type": "string", "enum": names, "description": "A stage, by name."})
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
    fn stages_are_ordered_as_computed_and_named_uniquely() {
        let all: Vec<_> = Stage::all().collect();
        assert!(all.is_sorted());
        let names: std::collections::BTreeSet<_> = all.iter().map(Stage::to_string).collect();
        assert_eq!(names.len(), all.len());
        assert_eq!(all.first(), Some(&Stage::TextNormalized));
        assert_eq!(all.last(), Some(&Stage::Speech));
    }

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
