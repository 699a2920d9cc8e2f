//! Recordings by other programs. They have no seal, need no hashes, and hold whatever was
//! recorded: a file or a value that is not there is missing, which is never green.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::case_record::{CaseRecord, RecordedCase, SAMPLE_RATE, SegmentText, TextRecord};
use super::hash::difference;
use super::{Error, Manifest, tensors};
use crate::case::Case;
use crate::stage::Stage;
use crate::wav;

/// What an unsealed recording does not say itself.
#[derive(Debug)]
pub(super) struct Unsealed {
    dir: PathBuf,
    /// The inputs that the golden names, for cases that do not name their own.
    inputs: BTreeMap<String, RecordedCase>,
    /// The cases without a case.json.
    without_inputs: Vec<String>,
}

/// `text.json` of another program: it may have the texts, the ids, or both.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Texts {
    #[serde(default)]
    prompt_text: Option<String>,
    #[serde(default)]
    prompt_ids: Option<Vec<i64>>,
    segments: Vec<Segment>,
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Segment {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    ids: Option<Vec<i64>>,
}

impl Unsealed {
    /// The recording in `dir`, whose manifest gets every folder that is named like a case if it
    /// lists none.
    pub(super) fn open(
        dir: &Path,
        manifest: &mut Manifest,
        inputs: BTreeMap<String, RecordedCase>,
    ) -> Result<Self, Error> {
        if manifest.cases.is_empty() {
            for entry in std::fs::read_dir(dir).map_err(Error::io(dir))? {
                let entry = entry.map_err(Error::io(dir))?;
                let name = entry.file_name().to_string_lossy().into_owned();
                if Case::is_name(&name) && entry.path().is_dir() {
                    manifest.cases.insert(name, Default::default());
                }
            }
        }
        let lacks = |name: &&String| !dir.join(name).join("case.json").is_file();
        Ok(Self {
            without_inputs: manifest.cases.keys().filter(lacks).cloned().collect(),
            dir: dir.to_owned(),
            inputs,
        })
    }

    /// What the verdict on such a recording rests on beside its values.
    pub(super) fn notes(&self, manifest: &Manifest) -> Vec<String> {
        let engine = &manifest.engine.name;
        let mut notes = vec![format!(
            "whether the recording of {engine} was changed since it was written: it has no hashes of its files"
        )];
        notes.extend(match self.without_inputs.as_slice() {
            [] => None,
            [one] => Some(format!(
                "whether {engine} ran case {one} on the golden's inputs: it has no case.json"
            )),
            [first, .., last] => Some(format!(
                "whether {engine} ran {} cases on the golden's inputs ({first} to {last}): they \
                 have no case.json",
                self.without_inputs.len()
            )),
        });
        notes
    }

    /// One case, as far as it was recorded.
    pub(super) fn case(&self, manifest: &Manifest, name: &str) -> Result<CaseRecord, Error> {
        let files = manifest.cases.get(name).ok_or_else(|| Error::NoSuchCase {
            dir: self.dir.clone(),
            case: name.into(),
        })?;
        let folder = self.dir.join(name);
        let read = |file: &str| -> Result<Option<(PathBuf, Vec<u8>)>, Error> {
            let path = folder.join(file);
            let expected = files.files.get(file);
            let bytes = match std::fs::read(&path) {
                Ok(bytes) => bytes,
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                    return match expected {
                        None => Ok(None),
                        Some(_) => Err(Error::malformed(
                            &path,
                            "the manifest lists it, but it is not there",
                        )),
                    };
                }
                Err(e) => return Err(Error::io(&path)(e)),
            };
            match expected.and_then(|expected| difference(&bytes, expected)) {
                None => Ok(Some((path, bytes))),
                Some(reason) => Err(Error::malformed(&path, reason)),
            }
        };
        let case = match read("case.json")? {
            Some((path, bytes)) => inputs(&path, &bytes, name)?,
            None => self.inputs.get(name).cloned().ok_or_else(|| {
                let reason = "it is not there, and the golden has no case of this name to take \
                              the inputs from";
                Error::malformed(&folder.join("case.json"), reason)
            })?,
        };
        let mut record = CaseRecord {
            case,
            text: TextRecord::default(),
            tensors: BTreeMap::new(),
            noise: BTreeMap::new(),
            audio: Vec::new(),
            unrecorded: BTreeSet::from([Stage::TextNormalized, Stage::TextIds, Stage::Speech]),
        };
        if let Some((path, bytes)) = read("text.json")? {
            let texts = serde_json::from_slice(&bytes).map_err(|e| Error::malformed(&path, e))?;
            take_texts(&mut record, texts);
        }
        if let Some((path, bytes)) = read("tensors.safetensors")? {
            record.tensors = tensors::decode(&path, &bytes).map_err(Error::into_malformed)?;
        }
        if let Some((path, bytes)) = read("audio.wav")? {
            record.audio = wav::decode_any(&bytes, SAMPLE_RATE)
                .map_err(|reason| Error::malformed(&path, reason))?;
            record.unrecorded.remove(&Stage::Speech);
        }
        Ok(record)
    }
}

/// The inputs that a case was run on.
fn inputs(path: &Path, bytes: &[u8], name: &str) -> Result<RecordedCase, Error> {
    let case: RecordedCase =
        serde_json::from_slice(bytes).map_err(|e| Error::malformed(path, e))?;
    if case.case.name != name {
        let reason = format!("it describes case \"{}\", not this one", case.case.name);
        return Err(Error::malformed(path, reason));
    }
    case.case.check().map_err(|e| Error::malformed(path, e))?;
    Ok(case)
}

/// Texts that every segment has were recorded, and ids likewise.
fn take_texts(record: &mut CaseRecord, texts: Texts) {
    if texts.segments.iter().all(|s| s.text.is_some()) {
        record.unrecorded.remove(&Stage::TextNormalized);
    }
    if texts.segments.iter().all(|s| s.ids.is_some()) {
        record.unrecorded.remove(&Stage::TextIds);
    }
    let segment = |s: Segment| SegmentText {
        text: s.text.unwrap_or_default(),
        ids: s.ids.unwrap_or_default(),
    };
    record.text = TextRecord {
        prompt_text: texts.prompt_text,
        prompt_ids: texts.prompt_ids.unwrap_or_default(),
        segments: texts.segments.into_iter().map(segment).collect(),
        warnings: texts.warnings,
    };
}
