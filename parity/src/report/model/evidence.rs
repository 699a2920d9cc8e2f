use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::grid::Grid;
use crate::metric::Value;
use crate::stage::{Feed, Key};

/// The sound of both sides, or the stretch of it in which they differ most.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sound {
    /// Samples per second.
    pub rate: u32,
    /// Samples of the reference's whole sound.
    pub reference_samples: usize,
    /// Samples of the candidate's whole sound; 0 where there is none.
    pub candidate_samples: usize,
    /// The first sample of the stretch.
    pub start: usize,
    /// Samples of the stretch. What one side lacks is silence.
    pub samples: usize,
    /// A FLAC file of two channels of 16 bit, base64: left the reference, right the candidate.
    /// Silence follows the stretch, up to a whole block.
    pub flac: String,
}

/// A token list of both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokenLists {
    /// Which one.
    pub key: Key,
    /// Which recording of the candidate it is.
    pub feed: Feed,
    /// The reference's.
    pub reference: Vec<i64>,
    /// The candidate's.
    pub candidate: Vec<i64>,
}

/// The mel of a segment on both sides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MelPicture {
    /// The segment, counted from 0.
    pub segment: usize,
    /// Which recording of the candidate it is.
    pub feed: Feed,
    /// The reference's.
    pub reference: Grid,
    /// The candidate's.
    pub candidate: Grid,
    /// The candidate's less the reference's, where both have the same shape.
    pub difference: Option<Grid>,
}

/// The fundamental frequency of a segment on both sides, in Hz to a hundredth, 0 where unvoiced.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Contour {
    /// The segment, counted from 0.
    pub segment: usize,
    /// Which recording of the candidate it is.
    pub feed: Feed,
    /// The reference's, frame by frame.
    #[serde(with = "crate::number::list")]
    #[schemars(with = "Vec<Value>")]
    pub reference: Vec<f32>,
    /// The candidate's, frame by frame.
    #[serde(with = "crate::number::list")]
    #[schemars(with = "Vec<Value>")]
    pub candidate: Vec<f32>,
}
