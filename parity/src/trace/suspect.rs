use serde::Serialize;

use crate::samples::Planted;

/// What may be wrong with an engine whose tokens are not those that the reference would draw.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "suspect", content = "value")]
pub enum Suspect {
    /// Its sampler has this mistake.
    Sampler(Planted),
    /// Its logits are wrong by so many times the error that is explained.
    Error(f32),
    /// From some token of a text on its random numbers are others, or nothing is as the reference's.
    OtherNumbers,
}

impl Suspect {
    /// All that an engine is suspected of.
    pub const ALL: [Self; 22] = [
        Self::Sampler(Planted::TopP(0.7)),
        Self::Sampler(Planted::TopP(0.79)),
        Self::Sampler(Planted::TopP(0.81)),
        Self::Sampler(Planted::TopP(0.9)),
        Self::Sampler(Planted::TopK(20)),
        Self::Sampler(Planted::TopK(24)),
        Self::Sampler(Planted::TopK(26)),
        Self::Sampler(Planted::TopK(30)),
        Self::Sampler(Planted::Window(8)),
        Self::Sampler(Planted::Window(9)),
        Self::Sampler(Planted::Window(11)),
        Self::Sampler(Planted::Window(12)),
        Self::Sampler(Planted::Tau(0.2)),
        Self::Sampler(Planted::Tau(f64::INFINITY)),
        Self::Sampler(Planted::Temperature(0.95)),
        Self::Sampler(Planted::Temperature(0.98)),
        Self::Sampler(Planted::Temperature(1.02)),
        Self::Sampler(Planted::Temperature(1.05)),
        Self::Sampler(Planted::Unmasked),
        Self::Error(8.0),
        Self::Error(32.0),
        Self::OtherNumbers,
    ];

    /// In a few words.
    pub fn name(self) -> String {
        match self {
            Self::Sampler(planted) => planted.name(),
            Self::Error(times) => format!("logits {times} times as wrong as explained"),
            Self::OtherNumbers => "other random numbers".into(),
        }
    }

    /// The mistake in its sampler, if it has one.
    pub(super) fn planted(self) -> Option<Planted> {
        match self {
            Self::Sampler(planted) => Some(planted),
            Self::Error(_) | Self::OtherNumbers => None,
        }
    }

    /// How many times as wrong its logits are.
    pub(super) fn error(self) -> f32 {
        match self {
            Self::Error(times) => times,
            Self::Sampler(_) | Self::OtherNumbers => 1.0,
        }
    }
}
