use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::grid::Grid;
use crate::metric::Value;
use crate::stage::{Feed, Key};

/// The sound of both sides, or the excerpt in which they differ most.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sound {
    /// Samples per second.
    pub rate: u32,
    /// Samples of the reference's whole sound.
    pub reference_samples: usize,
    /// Samples of the candidate's whole sound; 0 if there is none.
    pub candidate_samples: usize,
    /// The first sample of the excerpt.
    pub start: usize,
    /// Samples of the excerpt. The shorter side is padded with silence.
    pub samples: usize,
    /// A FLAC file in base64: 16 bit, the reference on the left channel, the candidate on the right.
    /// Padded with silence to a whole block.
    pub flac: String,
}

/// A token list of both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokenLists {
    /// Which list.
    pub key: Key,
    /// The feed of the candidate's recording.
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
    /// The feed of the candidate's recording.
    pub feed: Feed,
    /// The reference's.
    pub reference: Grid,
    /// The candidate's.
    pub candidate: Grid,
    /// Frames of the reference's, which may be more than its picture has columns. 0 in reports of
    /// version 5 and older.
    #[serde(default)]
    pub reference_frames: usize,
    /// Frames of the candidate's.
    #[serde(default)]
    pub candidate_frames: usize,
    /// Candidate minus reference, if both have the same shape.
    pub difference: Option<Grid>,
    /// Both along their alignment, if they are not of the same length. Absent in reports of version
    /// 4 and older.
    #[serde(default)]
    pub aligned: Option<AlignedMel>,
}

/// Two mels along their best alignment by dynamic time warping. Nothing is stretched: where one
/// side waits for the other, it has an empty column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AlignedMel {
    /// The reference's.
    pub reference: Grid,
    /// The candidate's.
    pub candidate: Grid,
    /// Candidate minus reference; zero where one side waits.
    pub difference: Grid,
}

/// The fundamental frequency of a segment on both sides, in Hz rounded to 0.01; 0 if unvoiced.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Contour {
    /// The segment, counted from 0.
    pub segment: usize,
    /// The feed of the candidate's recording.
    pub feed: Feed,
    /// The reference's F0, frame by frame.
    #[serde(with = "crate::number::list")]
    #[schemars(with = "Vec<Value>")]
    pub reference: Vec<f32>,
    /// The candidate's F0, frame by frame.
    #[serde(with = "crate::number::list")]
    #[schemars(with = "Vec<Value>")]
    pub candidate: Vec<f32>,
}

/// A tensor or token list of one side as a file beside the report, to be downloaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TensorFile {
    /// The value.
    pub key: Key,
    /// The feed of the candidate's recording; none for the golden's.
    pub feed: Option<Feed>,
    /// The file in NumPy's format, relative to the report's folder.
    pub file: String,
    /// The size along each axis.
    pub shape: Vec<usize>,
}
