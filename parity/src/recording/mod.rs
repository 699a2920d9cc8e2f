//! Recordings: what an engine produced for a list of cases, in memory and on disk.

mod error;
mod hash;
mod manifest;
mod reader;
mod record;
mod replace;
mod seal;
mod tensors;
mod wav;
mod writer;

pub use error::Error;
pub use hash::{sha256, sha256_file};
pub use manifest::{CaseFiles, Engine, FORMAT, FileHash, MANIFEST, Manifest, Model, timestamp};
pub use reader::{Reader, Source};
pub use record::{
    CASCADED_NOISE, CaseRecord, DRAW_TAP, MISMATCH_TAP, Noise, RecordedCase, Recording,
    SAMPLE_RATE, Segment, TextRecord,
};
pub(crate) use replace::Replacement;
pub(crate) use seal::Sealed;
pub use writer::Writer;
