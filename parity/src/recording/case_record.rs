use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use parity_atomic::Replacement;
use serde::{Deserialize, Serialize};

use super::{Error, Manifest, Reader, RecordingSource as _, Writer, sha256_file};
use crate::array::Array;
use crate::case::{Case, CaseFile};
use crate::metric::Noise;
use crate::stage::{Key, Stage};

/// Samples per second of CosyVoice3's speech.
pub const SAMPLE_RATE: u32 = 24_000;

/// The tap under which the noise of a stage is that of the whole chain up to it.
pub const CASCADED_NOISE: &str = "cascaded";

/// The tap of `llm.tokens` under which a candidate keeps how it drew the first token that differs
/// from the golden's ([`crate::diff::tokens::DrawRecord`]).
pub const DRAW_TAP: &str = "draw";

/// The tap of `llm.logits` under which a candidate keeps the logits from which it drew that token.
pub const MISMATCH_TAP: &str = "at_mismatch";
/// The tap of `llm.logits` in a golden to which the logits were added of the first position at which
/// a candidate's tokens part from it.
pub const PARTING_TAP: &str = "at_parting";

/// The tap of `llm.tokens` under which a candidate that is fed the golden's tokens keeps what it drew
/// at each of them, beside the reference ([`crate::diff::partings::Step`]).
pub const STEPS_TAP: &str = "steps";

/// A whole recording in memory.
#[derive(Clone, Debug)]
pub struct Recording {
    /// Who recorded what.
    pub manifest: Manifest,
    /// The cases by name.
    pub cases: BTreeMap<String, CaseRecord>,
}

impl Recording {
    /// Reads every case of the recording in `dir`, checking every hash.
    ///
    /// # Errors
    /// If there is no recording, or a file of it is damaged.
    pub fn read(dir: impl AsRef<Path>) -> Result<Self, Error> {
        Self::read_with(dir, |reader, name| reader.case(name))
    }

    /// Reads a golden, checking that it holds what it must, and nothing that cannot be true.
    ///
    /// # Errors
    /// If there is no recording, or a case of it is damaged.
    pub fn read_golden(dir: impl AsRef<Path>) -> Result<Self, Error> {
        Self::read_with(dir, |reader, name| reader.golden_case(name))
    }

    fn read_with(
        dir: impl AsRef<Path>,
        read: for<'a> fn(&'a Reader, &str) -> Result<Cow<'a, CaseRecord>, Error>,
    ) -> Result<Self, Error> {
        let reader = Reader::open(dir)?;
        let mut cases = BTreeMap::new();
        for name in reader.manifest().cases.keys() {
            cases.insert(name.clone(), read(&reader, name)?.into_owned());
        }
        Ok(Self {
            manifest: reader.manifest().clone(),
            cases,
        })
    }

    /// Writes the recording to `dir`, replacing the recording that may be there.
    ///
    /// # Errors
    /// If `dir` holds something else, a case is invalid, or a file cannot be written.
    pub fn write(&self, dir: impl AsRef<Path>) -> Result<(), Error> {
        self.write_to(Writer::reserve(dir)?)
    }

    /// Writes the recording to a place that [`Writer::reserve`] has reserved.
    ///
    /// # Errors
    /// If a case is invalid, or a file cannot be written.
    pub fn write_to(&self, folder: Replacement) -> Result<(), Error> {
        let mut writer = Writer::within(folder, self.manifest.clone());
        for case in self.cases.values() {
            writer.case(case)?;
        }
        writer.finish()
    }
}

/// What an engine produced for one case.
#[derive(Clone, Debug, PartialEq)]
pub struct CaseRecord {
    /// The case as it was run.
    pub case: RecordedCase,
    /// Normalised texts and their ids.
    pub text: TextRecord,
    /// The tensors and token lists.
    pub tensors: BTreeMap<Key, Array>,
    /// The reference's own float32 error, by tensor; empty except in goldens. Under the tap
    /// [`CASCADED_NOISE`] it is the error accumulated when every stage is fed by the one before.
    pub noise: BTreeMap<Key, Noise>,
    /// The sound, all segments joined, mono, at [`SAMPLE_RATE`].
    pub audio: Vec<f32>,
    /// The texts, ids or sound that another program did not record. What is empty but not named
    /// here was recorded as nothing, which is an error where the golden has something.
    pub unrecorded: BTreeSet<Stage>,
}

/// A case with the hashes of the files that it names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedCase {
    /// The case.
    pub case: Case,
    /// SHA-256 of the prompt's file.
    pub prompt_wav_sha256: String,
    /// SHA-256 of the file to convert, for voice conversion.
    #[serde(default)]
    pub source_wav_sha256: Option<String>,
}

impl RecordedCase {
    /// `case` of `file`, with the hashes of its recordings.
    ///
    /// # Errors
    /// If a recording cannot be read.
    pub fn of(case: &Case, file: &CaseFile) -> Result<Self, Error> {
        let hash = |wav: &Path| sha256_file(file.resolve(wav)).map(|h| h.sha256);
        Ok(Self {
            prompt_wav_sha256: hash(&case.prompt_wav)?,
            source_wav_sha256: case.source_wav().map(hash).transpose()?,
            case: case.clone(),
        })
    }
}

/// The text frontend's output for a case; empty for voice conversion.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextRecord {
    /// The normalised transcript or instruction, if the mode has one.
    #[serde(default)]
    pub prompt_text: Option<String>,
    /// Its token ids.
    #[serde(default)]
    pub prompt_ids: Vec<i64>,
    /// The normalised text, split.
    pub segments: Vec<SegmentText>,
    /// What the frontend could not do, such as normalise.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// A segment of the text, which is synthesised on its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentText {
    /// The normalised text.
    pub text: String,
    /// Its token ids.
    pub ids: Vec<i64>,
}

impl CaseRecord {
    /// The case's name.
    pub fn name(&self) -> &str {
        &self.case.case.name
    }

    /// The number of segments; voice conversion has one.
    pub fn segments(&self) -> usize {
        if self.case.case.is_conversion() {
            1
        } else {
            self.text.segments.len()
        }
    }

    /// The keys of `stage`: one, or one for each segment.
    pub fn keys(&self, stage: Stage) -> Vec<Key> {
        if stage.per_segment() {
            (0..self.segments())
                .map(|i| Key::segment(stage, i))
                .collect()
        } else {
            vec![Key::whole(stage)]
        }
    }
}
