//! The stages of a synthesis, in one table: everything that is said of a stage is said here.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a stage produces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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

/// How often a stage runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Once per request.
    Request,
    /// Once per segment of the text.
    Segment,
}

/// In which requests a stage runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occurrence {
    /// In every request.
    Always,
    /// Where there is a text: in every mode but voice conversion.
    WithText,
    /// Where the text is known before sampling begins. If it arrives in pieces, the tokens alone do
    /// not determine what the language model was fed.
    WithWholeText,
    /// In voice conversion.
    InConversion,
    /// Where the sound is made at once. A stream runs the flow and the vocoder over growing chunks
    /// instead of the segment.
    Unstreamed,
    /// Where the sound is streamed.
    Streamed,
}

/// The traits of a request that decide which stages run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestTraits {
    /// Voice conversion: there is no text.
    pub conversion: bool,
    /// The text arrives in pieces.
    pub in_pieces: bool,
    /// The sound is streamed.
    pub streamed: bool,
}

/// One row of the table of stages.
#[derive(Clone, Copy, Debug)]
pub struct StageDefinition {
    /// The name in files; of a step of the flow, without its number.
    pub name: &'static str,
    /// What the stage produces.
    pub kind: ValueKind,
    /// The axis along which time runs, for tensors that have channels as well.
    pub time_axis: Option<usize>,
    /// How often it runs.
    pub scope: Scope,
    /// In which requests it runs.
    pub occurrence: Occurrence,
    /// What it is computed from.
    pub inputs: &'static str,
    /// What it is, in one line.
    pub description: &'static str,
}

/// The numbers of the flow's Euler steps, over all model families.
pub const FLOW_STEPS: RangeInclusive<u8> = 1..=10;

/// Turns a column's `-` or number into an `Option`.
macro_rules! axis {
    (-) => {
        None
    };
    ($axis:literal) => {
        Some($axis)
    };
}

macro_rules! stages {
    ($($variant:ident $(($($number:ident)+))? $name:literal
       $kind:ident $axis:tt $scope:ident $occurrence:ident
       from $inputs:literal
       $description:literal)*) => {
        /// A point of the pipeline at which engines can be compared. Ordered as computed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Stage {
            $(
                #[doc = $description]
                #[doc = concat!("\n\nComputed from ", $inputs, ".")]
                $variant $(($($number)+))?,
            )*
        }

        impl Stage {
            /// Every stage, in order.
            pub fn all() -> impl Iterator<Item = Self> {
                let rows: Vec<Vec<Self>> = vec![$(stages!(@all $variant $(($($number)+))?)),*];
                rows.into_iter().flatten()
            }

            /// The stage's row of the table.
            pub const fn definition(self) -> &'static StageDefinition {
                match self {
                    $(stages!(@pattern $variant $(($($number)+))?) => const { &StageDefinition {
                        name: $name,
                        kind: ValueKind::$kind,
                        time_axis: axis!($axis),
                        scope: Scope::$scope,
                        occurrence: Occurrence::$occurrence,
                        inputs: $inputs,
                        description: $description,
                    } },)*
                }
            }
        }
    };
    (@all $variant:ident) => { vec![Self::$variant] };
    (@all $variant:ident ($($number:ident)+)) => { FLOW_STEPS.map(Self::$variant).collect() };
    (@pattern $variant:ident) => { Self::$variant };
    (@pattern $variant:ident ($($number:ident)+)) => { Self::$variant(_) };
}

// Columns: variant, name, kind, time axis, scope, occurrence; inputs; description.
stages! {
    TextNormalized "text.normalized" Text - Request WithText
        from "the text"
        "normalised prompt text and segments"
    TextIds "text.ids" Tokens - Request WithText
        from "the normalised texts"
        "token ids of the prompt text and of each segment"
    PromptMel "prompt.mel" Tensor 0 Request Always
        from "the prompt's recording"
        "log-mel of the prompt at 24 kHz, [frames, 80]"
    PromptWhisperMel "prompt.whisper_mel" Tensor 1 Request Always
        from "the prompt's recording"
        "Whisper log-mel of the prompt at 16 kHz, [128, frames]"
    PromptFbank "prompt.fbank" Tensor 0 Request Always
        from "the prompt's recording"
        "Kaldi filter banks of the prompt, mean-subtracted, [frames, 80]"
    PromptSpeechTokens "prompt.speech_tokens" Tokens - Request Always
        from "the prompt's Whisper log-mel"
        "speech tokens of the prompt"
    PromptSpeakerEmbedding "prompt.speaker_embedding" Tensor - Request Always
        from "the prompt's filter banks"
        "speaker embedding of the prompt, 192 values"
    SourceWhisperMel "source.whisper_mel" Tensor 1 Request InConversion
        from "the recording to convert"
        "Whisper log-mel of the recording to convert, [128, frames]"
    SourceSpeechTokens "source.speech_tokens" Tokens - Request InConversion
        from "the source's Whisper log-mel"
        "speech tokens of the recording to convert"
    LlmLogitRows "llm.logit_rows" Tokens - Segment WithWholeText
        from "the ids, the prompt's speech tokens and the sampled tokens"
        "positions of the logits in llm.logits"
    LlmLogits "llm.logits" Logits 0 Segment WithWholeText
        from "the ids, the prompt's speech tokens and the sampled tokens"
        "next-token logits, teacher-forced on the sampled tokens, [rows, vocabulary]"
    LlmTokens "llm.tokens" Tokens - Segment WithText
        from "the ids, the prompt's speech tokens and the seed"
        "speech tokens as sampled under the seed"
    LlmStop "llm.stop" Tokens - Segment WithText
        from "the ids, the prompt's speech tokens and the seed"
        "the mark that ended sampling, or -1 if the maximum length did"
    LlmTokensKept "llm.tokens_kept" Tokens - Segment WithText
        from "the sampled tokens"
        "sampled speech tokens that reach the flow, long silences shortened"
    FlowMu "flow.mu" Tensor 1 Segment Unstreamed
        from "the speech tokens"
        "the flow's conditioning, prompt included, [80, frames]"
    FlowStep(u8) "flow.step" Tensor 1 Segment Unstreamed
        from "the conditioning and the state after the previous step"
        "the flow's state after this Euler step, prompt included, [80, frames]"
    FlowMel "flow.mel" Tensor 1 Segment Unstreamed
        from "the speech tokens, prompt mel and speaker embedding, through all steps"
        "mel of the segment without the prompt, [80, frames]"
    VocoderF0 "vocoder.f0" Tensor - Segment Unstreamed
        from "the mel"
        "fundamental frequency in Hz, one value for each mel frame"
    VocoderSource "vocoder.source" Audio - Segment Unstreamed
        from "the fundamental frequency"
        "excitation at 24 kHz"
    VocoderWav "vocoder.wav" Audio - Segment Unstreamed
        from "the mel and the excitation"
        "waveform of the segment at 24 kHz"
    SpeechChunks "speech.chunks" Tokens - Request Streamed
        from "the whole pipeline"
        "number of samples in each delivered chunk"
    Speech "speech" Audio - Request Always
        from "the whole pipeline"
        "the delivered sound, all segments joined"
}

impl Stage {
    /// What the stage produces.
    pub const fn kind(self) -> ValueKind {
        self.definition().kind
    }

    /// Whether it runs once per segment, not once per request.
    pub const fn per_segment(self) -> bool {
        matches!(self.definition().scope, Scope::Segment)
    }

    /// The axis along which time runs, for tensors that have channels as well.
    pub const fn time_axis(self) -> Option<usize> {
        self.definition().time_axis
    }

    /// What it is, in one line.
    pub const fn description(self) -> &'static str {
        self.definition().description
    }

    /// What it is computed from.
    pub const fn inputs(self) -> &'static str {
        self.definition().inputs
    }

    /// Whether it only says how another stage's value is to be read.
    pub const fn is_auxiliary(self) -> bool {
        matches!(self, Self::LlmLogitRows)
    }

    /// Whether its value is a tensor of its own; the others are texts, and the delivered sound.
    pub const fn is_tensor(self) -> bool {
        !matches!(self, Self::TextNormalized | Self::TextIds | Self::Speech)
    }

    /// Whether a request with these traits passes through it.
    pub const fn occurs_in(self, request: RequestTraits) -> bool {
        match self.definition().occurrence {
            Occurrence::Always => true,
            Occurrence::WithText => !request.conversion,
            Occurrence::WithWholeText => !request.conversion && !request.in_pieces,
            Occurrence::InConversion => request.conversion,
            Occurrence::Unstreamed => !request.streamed,
            Occurrence::Streamed => request.streamed,
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.definition().name;
        match self {
            Self::FlowStep(number) => f.pad(&format!("{name}.{number:02}")),
            _ => f.pad(name),
        }
    }
}

/// A name that belongs to no stage.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown stage \"{0}\"")]
pub struct UnknownStage(pub String);

impl FromStr for Stage {
    type Err = UnknownStage;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::all()
            .find(|stage| stage.to_string() == name)
            .ok_or_else(|| UnknownStage(name.to_owned()))
    }
}

impl Serialize for Stage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Stage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Stage {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Stage".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let names: Vec<_> = Self::all().map(|stage| stage.to_string()).collect();
        schemars::json_schema!({"type": "string", "enum": names, "description": "A stage, by name."})
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn stages_are_ordered_as_computed_and_named_uniquely() {
        let all: Vec<_> = Stage::all().collect();
        assert!(all.is_sorted());
        let names: BTreeSet<_> = all.iter().map(Stage::to_string).collect();
        assert_eq!(names.len(), all.len());
        assert_eq!(all.first(), Some(&Stage::TextNormalized));
        assert_eq!(all.last(), Some(&Stage::Speech));
    }

    #[test]
    fn names_read_back_and_unknown_ones_are_refused() {
        for stage in Stage::all() {
            assert_eq!(stage.to_string().parse(), Ok(stage));
        }
        for unknown in ["", "mel", "flow.step", "flow.step.11", "flow.step.00"] {
            assert!(unknown.parse::<Stage>().is_err(), "{unknown}");
        }
    }

    #[test]
    fn a_conversion_has_no_text_and_a_stream_no_whole_mel() {
        let conversion = RequestTraits {
            conversion: true,
            ..RequestTraits::default()
        };
        assert!(!Stage::LlmTokens.occurs_in(conversion));
        assert!(Stage::SourceSpeechTokens.occurs_in(conversion));
        let streamed = RequestTraits {
            streamed: true,
            ..RequestTraits::default()
        };
        assert!(!Stage::FlowStep(3).occurs_in(streamed));
        assert!(Stage::SpeechChunks.occurs_in(streamed));
        let in_pieces = RequestTraits {
            in_pieces: true,
            ..RequestTraits::default()
        };
        assert!(!Stage::LlmLogits.occurs_in(in_pieces));
        assert!(Stage::LlmTokens.occurs_in(in_pieces));
    }
}
