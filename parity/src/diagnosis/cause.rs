use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::stage::Stage;

/// Each cause with what to do about it.
const REMEDIES: &str = include_str!("../../docs/causes.md");

macro_rules! causes {
    ($($variant:ident $name:literal $words:literal)*) => {
        /// A known mistake of engines, in the order in which several of them are told: what proves
        /// more comes first.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
            JsonSchema,
        )]
        #[serde(rename_all = "kebab-case")]
        pub enum Cause {
            $(
                #[doc = concat!($words, ".")]
                $variant,
            )*
        }

        impl Cause {
            /// Every cause.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name in files.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// Whether its sign is a sign of it whatever the stages before did.
            pub(super) fn is_evident(self) -> bool {
                matches!(
                    self,
                    Self::NoStopIds | Self::StopIdInList | Self::NoSilenceRule | Self::FewerSteps
                )
            }

            /// What the reference does there and how an engine is mended, in Markdown: the section
            /// of that name in `parity/docs/causes.md`.
            pub fn remedy(self) -> &'static str {
                let heading = format!("\n## {}\n", self.name());
                let section = REMEDIES.split_once(&heading).map_or("", |(_, rest)| rest);
                let end = section.find("\n## ").unwrap_or(section.len());
                section.get(..end).unwrap_or_default().trim()
            }

            /// The mistake, in words.
            pub fn words(self) -> &'static str {
                match self {
                    $(Self::$variant => $words,)*
                }
            }
        }
    };
}

causes! {
    Resampler "resampler" "the prompt's resampler, or its mix to mono"
    MelNorm "mel-norm" "the mel filters' normalisation (Slaney: each divided by its width)"
    SpeakerPooling "speaker-pooling" "the speaker network's pooling of its last, partial window"
    LanguageModel "language-model" "the language model itself: rotary positions, norms, its cache or weights"
    StopIdInList "stop-id-in-list" "the stop id itself was recorded as the last token"
    NoStopIds "no-stop-ids" "an id that ends speech does not end it (each of the 200 from 6561 on should)"
    NoMinimum "no-minimum" "no minimum length (6561 is masked until 2 tokens for each text id)"
    MinimumTooStrict "minimum-too-strict" "before the minimum length every stop id is masked, not 6561 alone"
    NoMaximum "no-maximum" "no maximum length (20 tokens for each text id)"
    NoWindow "no-window" "the window of the repetition rule (what the last 10 tokens have is drawn anew)"
    NoTopP "no-top-p" "top-p (0.8) is missing or larger"
    NoTopK "no-top-k" "top-k (25) is missing or larger"
    NoNucleus "no-nucleus" "neither top-p nor top-k, or other logits"
    NoSilenceRule "no-silence-rule" "the silence rule (of a run of silent tokens, five are kept)"
    Greedy "greedy" "the likeliest token is taken; the reference draws"
    OtherNumbers "other-numbers" "tokens are drawn with other random numbers than torch's"
    FewerSteps "fewer-steps" "the flow takes fewer Euler steps than 10"
    OtherNoise "other-noise" "the flow starts from other noise"
    Guidance "guidance" "the flow's first velocity: guidance (0.7), its unguided half, or the network"
    PaddingSide "padding-side" "a convolution is padded on the other side"
    Phase "phase" "the phase of the excitation, or its noise"
}

/// A sign of a known mistake in one case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Clue {
    /// The mistake that has such signs.
    pub cause: Cause,
    /// The stage in which it shows.
    pub stage: Stage,
    /// What was seen, in words.
    pub sign: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_a_remedy_and_every_remedy_a_cause() {
        let sections = REMEDIES.lines().filter_map(|line| line.strip_prefix("## "));
        let names: Vec<_> = Cause::ALL.iter().map(|cause| cause.name()).collect();
        assert_eq!(sections.collect::<Vec<_>>(), names);
        for cause in Cause::ALL {
            let remedy = cause.remedy();
            assert!(remedy.len() > 80 && !remedy.contains("## "), "{remedy}");
        }
        assert!(Cause::NoStopIds.remedy().contains("6561"));
    }

    #[test]
    fn causes_are_written_as_they_are_named() {
        for &cause in Cause::ALL {
            let written = serde_json::to_value(cause).unwrap();
            assert_eq!(written, cause.name());
        }
    }
}
