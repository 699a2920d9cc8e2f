//! Recordings: what an engine produced for a list of cases, in memory and on disk.
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::cast_possible_truncation)
)]

mod case_record;
mod contents;
mod error;
mod hash;
mod join;
mod kept;
mod manifest;
mod noise;
mod open_writer;
mod reader;
mod seal;
mod tensors;
mod unsealed;
mod writer;

pub use case_record::{
    CASCADED_NOISE, CaseRecord, DRAW_TAP, MISMATCH_TAP, PARTING_TAP, RecordedCase, Recording,
    SAMPLE_RATE, STEPS_TAP, SegmentText, TextRecord,
};
pub(crate) use contents::count_non_finite;
pub use error::Error;
pub(crate) use hash::{LINE_ENDS, difference};
pub use hash::{sha256, sha256_file};
pub use join::{JoinError, join};
pub use kept::{KeptCase, KeptCases};
pub use manifest::{
    CaseFiles, EngineInfo, FORMAT, FileHash, MANIFEST, Manifest, ModelInfo, RunShard,
    amend_manifest, public_version, timestamp,
};
pub use noise::KnownNoise;
pub use open_writer::{OpenWriter, Told};
pub use reader::{Reader, RecordingSource};
pub(crate) use seal::Sealed;
pub use writer::{Writer, add_settings};
