use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How text and voice are combined, by name: the one list that command lines, cases and the Python
/// side share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ModeName {
    /// `zero-shot`: a voice prompt with its transcript.
    ZeroShot,
    /// `cross-lingual`: a voice prompt alone, possibly in another language.
    CrossLingual,
    /// `instruct`: a voice prompt and an instruction in words.
    Instruct,
    /// `vc`: voice conversion of another recording.
    Vc,
}

impl ModeName {
    /// Every mode.
    pub const ALL: [Self; 4] = [Self::ZeroShot, Self::CrossLingual, Self::Instruct, Self::Vc];

    /// The name on command lines and in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ZeroShot => "zero-shot",
            Self::CrossLingual => "cross-lingual",
            Self::Instruct => "instruct",
            Self::Vc => "vc",
        }
    }
}

impl fmt::Display for ModeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for ModeName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|mode| mode.name() == name)
            .ok_or_else(|| format!("unknown mode `{name}` (expected one of {known})"))
    }
}
