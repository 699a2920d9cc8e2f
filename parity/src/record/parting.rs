//! What the reference drew from where a candidate's tokens part from the golden's. Goldens keep few
//! rows of logits; the native engine, whose logits are the reference's, computes the one that is
//! needed.

use std::borrow::Cow;
use std::collections::BTreeMap;

use candle_core::Device;
use native::engine::Engine;
use native::tap::NoTap;
use native::voice::VoicePrompt;

use super::golden_inputs::GoldenInputs;
use super::inputs::Inputs;
use super::{Error, NativeRecorder};
use crate::array::Array;
use crate::case::CaseFile;
use crate::recording::{
    self, CaseRecord, Manifest, PARTING_TAP, Reader, RecordedCase, RecordingSource,
};
use crate::stage::{Key, Stage};

/// A golden to which the logits were added that are asked for where a candidate parts from it.
pub struct GoldenWithPartings<'a> {
    golden: &'a Reader,
    rows: BTreeMap<String, (Key, Array)>,
}

/// The first segment whose tokens are others, and the position; none if they are the same or not
/// recorded.
fn first_parting(golden: &CaseRecord, candidate: &CaseRecord) -> Option<(usize, usize)> {
    (0..golden.segments()).find_map(|segment| {
        let key = Key::segment(Stage::LlmTokens, segment);
        let ids = |record: &CaseRecord| Some(record.tensors.get(&key)?.as_i64()?.to_vec());
        let (r, c) = (ids(golden)?, ids(candidate)?);
        let same = r.iter().zip(&c).take_while(|(r, c)| r == c).count();
        (same < r.len().max(c.len())).then_some((segment, same))
    })
}

impl<'a> GoldenWithPartings<'a> {
    /// The cases of `names` in which the candidate's tokens part from the golden's; empty if none do.
    pub fn partings(golden: &Reader, candidate: &Reader, names: &[String]) -> Vec<Parting> {
        let mut partings = Vec::new();
        for name in names {
            // What is wrong with a golden or missing in a candidate is told by the judge. Most
            // candidates have few of the golden's cases: those alone are read.
            let Ok(record) = candidate.case(name) else {
                continue;
            };
            let Ok(reference) = golden.golden_case(name) else {
                continue;
            };
            if let Some((segment, position)) = first_parting(&reference, &record) {
                partings.push(Parting {
                    case: name.clone(),
                    segment,
                    position,
                });
            }
        }
        partings
    }

    /// Computes the logits of each parting with the golden's own model.
    ///
    /// # Errors
    /// If a prompt's recording is not where it was, or is another one, or the engine fails.
    pub fn new(
        golden: &'a Reader,
        partings: &[Parting],
        recorder: &mut NativeRecorder,
    ) -> Result<Self, Error> {
        let mut rows = BTreeMap::new();
        for parting in partings {
            let reference = golden.golden_case(&parting.case)?;
            if let Some(row) = recorder.logits_of(golden, &reference, parting)? {
                let key = Key::segment(Stage::LlmLogits, parting.segment).tap(PARTING_TAP);
                rows.insert(parting.case.clone(), (key, row));
            }
        }
        Ok(Self { golden, rows })
    }

    fn with_row<'r>(&self, name: &str, record: Cow<'r, CaseRecord>) -> Cow<'r, CaseRecord> {
        let Some((key, row)) = self.rows.get(name) else {
            return record;
        };
        let mut record = record.into_owned();
        record.tensors.insert(key.clone(), row.clone());
        Cow::Owned(record)
    }
}

impl RecordingSource for GoldenWithPartings<'_> {
    fn manifest(&self) -> &Manifest {
        self.golden.manifest()
    }

    fn case(&self, name: &str) -> Result<Cow<'_, CaseRecord>, recording::Error> {
        Ok(self.with_row(name, self.golden.case(name)?))
    }

    fn golden_case(&self, name: &str) -> Result<Cow<'_, CaseRecord>, recording::Error> {
        Ok(self.with_row(name, self.golden.golden_case(name)?))
    }

    fn manifest_sha256(&self) -> Option<&str> {
        self.golden.manifest_sha256()
    }

    fn notes(&self) -> Vec<String> {
        self.golden.notes()
    }
}

/// Where a candidate's tokens part from the golden's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parting {
    /// The case.
    pub case: String,
    /// Its first segment with other tokens.
    pub segment: usize,
    /// The first token that differs.
    pub position: usize,
}

/// Where the recordings are that a golden's cases name: beside the golden.
pub(super) fn cases_beside(golden: &Reader, record: &CaseRecord) -> Result<CaseFile, Error> {
    let parent = golden.dir().parent().unwrap_or(golden.dir());
    let file = CaseFile {
        dir: parent.to_owned(),
        cases: vec![record.case.case.clone()],
    };
    let found = RecordedCase::of(&record.case.case, &file)?;
    if found.prompt_wav_sha256 != record.case.prompt_wav_sha256 {
        let path = file.resolve(&record.case.case.prompt_wav);
        let reason = "is not the recording that the golden was made with";
        return Err(native::Error::input(format!("{}: {reason}", path.display())).into());
    }
    Ok(file)
}

/// The logits, \[vocabulary\], of a position that is reached with the golden's tokens. None where the
/// text arrives in pieces: what stands before a token depends on when each piece came.
pub(super) fn logits(
    engine: &Engine,
    inputs: &Inputs,
    own_voice: Option<VoicePrompt>,
    golden: &CaseRecord,
    parting: &Parting,
) -> native::Result<Option<Array>> {
    let fed = GoldenInputs {
        golden,
        own_voice,
        device: Device::Cpu,
    };
    let script = fed.script()?;
    let tokens = fed.tokens(&Key::segment(Stage::LlmTokens, parting.segment))?;
    let segment = script.segments.get(parting.segment);
    let (Some(voice), Some(tokens), Some(segment), false) =
        (fed.voice()?, tokens, segment, script.in_pieces)
    else {
        return Ok(None);
    };
    let prompt = engine.lm_prompt(&inputs.mode, &script, segment, &voice.aligned()?);
    let before = tokens.get(..parting.position).unwrap_or(&tokens);
    let logits = engine
        .llm()
        .teacher_forced_logits(&prompt, before, &mut NoTap)?;
    let row = logits.get(before.len())?.to_vec1::<f32>()?;
    Ok(Some(Array::vector(row)))
}
