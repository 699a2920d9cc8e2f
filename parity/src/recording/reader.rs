use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde::de::DeserializeOwned;

use super::case_record::{CaseRecord, SAMPLE_RATE};
use super::hash::difference;
use super::noise::Levels;
use super::unsealed::Unsealed;
use super::{Error, MANIFEST, Manifest, RecordedCase, Recording, contents, sha256, tensors};
use crate::metric::Noise;
use crate::stage::Key;
use crate::wav;

/// Where cases come from: a folder that is read one case at a time, or memory.
pub trait RecordingSource {
    /// Who recorded what.
    fn manifest(&self) -> &Manifest;
    /// One case, checked.
    ///
    /// # Errors
    /// If the recording lacks the case, or a file of it is damaged.
    fn case(&self, name: &str) -> Result<Cow<'_, CaseRecord>, Error>;
    /// One case of a golden: a case that candidates are held against, so that what it lacks or
    /// what cannot be true of it would be seen in no comparison.
    ///
    /// # Errors
    /// If the recording lacks the case, or the case is damaged.
    fn golden_case(&self, name: &str) -> Result<Cow<'_, CaseRecord>, Error>;
    /// SHA-256 of the manifest on disk, for [`Manifest::fed_from`].
    fn manifest_sha256(&self) -> Option<&str>;
    /// What cannot be told of this recording, for a report's list of what is not covered.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A recording on disk, read one case at a time. Every file's hash is checked, except in a
/// candidate by another program, which need not have any.
#[derive(Debug)]
pub struct Reader {
    dir: PathBuf,
    manifest: Manifest,
    manifest_sha256: String,
    noise: OnceLock<Levels>,
    /// What is known beside the manifest, if that has no seal.
    unsealed: Option<Unsealed>,
}

impl Reader {
    /// Reads the manifest of the recording in `dir`.
    ///
    /// # Errors
    /// If there is no recording, or its manifest is damaged or of an unknown format.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, Error> {
        let (path, text) = read_manifest(dir.as_ref())?;
        let manifest = Manifest::parse(&path, &text)?;
        Ok(Self {
            dir: dir.as_ref().to_owned(),
            manifest,
            manifest_sha256: sha256(text.as_bytes()),
            noise: OnceLock::new(),
            unsealed: None,
        })
    }

    /// Reads the manifest of a candidate in `dir`, which another program may have written: it then
    /// has no seal, and what it does not say of its cases' inputs is taken from `golden`.
    ///
    /// # Errors
    /// If there is no recording, or its manifest is malformed, damaged or of an unknown format.
    pub fn open_candidate(dir: impl AsRef<Path>, golden: &Self) -> Result<Self, Error> {
        let dir = dir.as_ref();
        let (path, text) = read_manifest(dir)?;
        let mut manifest = Manifest::parse_candidate(&path, &text)?;
        let unsealed = match manifest.is_sealed() {
            true => None,
            false => {
                let named = golden.manifest.cases.keys();
                // A case that the golden has lost is its own fault, and found there.
                let inputs =
                    named.filter_map(|name| Some((name.clone(), golden.recorded_case(name).ok()?)));
                Some(Unsealed::open(dir, &mut manifest, inputs.collect())?)
            }
        };
        Ok(Self {
            dir: dir.to_owned(),
            manifest,
            manifest_sha256: sha256(text.as_bytes()),
            noise: OnceLock::new(),
            unsealed,
        })
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The inputs of a case, which are in a file of their own.
    ///
    /// # Errors
    /// If the recording lacks the case, or that file is damaged.
    pub fn recorded_case(&self, name: &str) -> Result<RecordedCase, Error> {
        let (path, bytes) = self.required(name, "case.json")?;
        json(&path, &bytes)
    }

    /// Reads a file that the manifest lists, and checks its hash.
    fn file(&self, case: &str, name: &str) -> Result<Option<(PathBuf, Vec<u8>)>, Error> {
        let files = self
            .manifest
            .cases
            .get(case)
            .ok_or_else(|| Error::NoSuchCase {
                dir: self.dir.clone(),
                case: case.into(),
            })?;
        let Some(expected) = files.files.get(name) else {
            return Ok(None);
        };
        let path = self.dir.join(case).join(name);
        let bytes = std::fs::read(&path).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => Error::damaged(&path, "the file is missing"),
            _ => Error::io(&path)(e),
        })?;
        match difference(&bytes, expected) {
            None => Ok(Some((path, bytes))),
            Some(reason) => Err(Error::damaged(&path, reason)),
        }
    }

    /// The files of a case by name, with their hashes checked.
    pub(super) fn files(&self, case: &str) -> Result<Vec<(String, Vec<u8>)>, Error> {
        let listed = self.manifest.cases.get(case);
        let names = listed.into_iter().flat_map(|files| files.files.keys());
        // A name comes from a file that anybody may have written, and must not lead elsewhere.
        let plain = |name: &str| Path::new(name).file_name().is_some_and(|n| n == name);
        if let Some(name) = names.clone().find(|name| !plain(name)) {
            let path = self.dir.join(MANIFEST);
            return Err(Error::damaged(&path, format!("{name:?} is no file's name")));
        }
        names
            .map(|name| {
                let (_, bytes) = self.required(case, name)?;
                Ok((name.clone(), bytes))
            })
            .collect()
    }

    fn required(&self, case: &str, name: &str) -> Result<(PathBuf, Vec<u8>), Error> {
        let missing = || {
            Error::damaged(
                &self.dir.join(MANIFEST),
                format!("it lists no {name} for case \"{case}\""),
            )
        };
        self.file(case, name)?.ok_or_else(missing)
    }

    /// The reference's own float32 error in a case, as far as it was recorded.
    fn noise(&self, case: &str) -> Result<BTreeMap<Key, Noise>, Error> {
        match self.file(case, "noise.json")? {
            Some((path, bytes)) => json(&path, &bytes),
            None => Ok(BTreeMap::new()),
        }
    }

    /// The noise of all cases that can be read; the others are damaged on their own account.
    fn levels(&self) -> &Levels {
        self.noise.get_or_init(|| {
            let mut levels = Levels::default();
            for case in self.manifest.cases.keys() {
                if let Ok(noise) = self.noise(case) {
                    levels.add(case, &noise);
                }
            }
            levels
        })
    }
}

impl RecordingSource for Reader {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn case(&self, name: &str) -> Result<Cow<'_, CaseRecord>, Error> {
        if let Some(unsealed) = &self.unsealed {
            return unsealed.case(&self.manifest, name).map(Cow::Owned);
        }
        let (path, bytes) = self.required(name, "tensors.safetensors")?;
        let tensors = tensors::decode(&path, &bytes)?;
        let (path, bytes) = self.required(name, "audio.wav")?;
        let audio = wav::decode(&bytes, SAMPLE_RATE).map_err(|e| Error::damaged(&path, e))?;
        let noise = self.noise(name)?;
        let (path, bytes) = self.required(name, "case.json")?;
        let case: RecordedCase = json(&path, &bytes)?;
        if case.case.name != name {
            return Err(Error::damaged(
                &path,
                format!("it describes case \"{}\"", case.case.name),
            ));
        }
        case.case.check().map_err(|e| Error::damaged(&path, e))?;
        let (path, bytes) = self.required(name, "text.json")?;
        let text = json(&path, &bytes)?;
        Ok(Cow::Owned(CaseRecord {
            case,
            text,
            tensors,
            noise,
            audio,
            unrecorded: Default::default(),
        }))
    }

    fn golden_case(&self, name: &str) -> Result<Cow<'_, CaseRecord>, Error> {
        let record = self.case(name)?;
        let lacking = contents::lacking(&record, &self.manifest);
        let damage = lacking.or_else(|| contents::untrue(&record)).or_else(|| {
            let reason = self.levels().out_of_place(name, &record.noise)?;
            Some(("noise.json", reason))
        });
        match damage {
            Some((file, reason)) => Err(Error::damaged(&self.dir.join(name).join(file), reason)),
            None => Ok(record),
        }
    }

    fn manifest_sha256(&self) -> Option<&str> {
        Some(&self.manifest_sha256)
    }

    fn notes(&self) -> Vec<String> {
        let notes = |unsealed: &Unsealed| unsealed.notes(&self.manifest);
        self.unsealed.as_ref().map(notes).unwrap_or_default()
    }
}

impl RecordingSource for Recording {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn case(&self, name: &str) -> Result<Cow<'_, CaseRecord>, Error> {
        self.cases
            .get(name)
            .map(Cow::Borrowed)
            .ok_or_else(|| Error::NoSuchCase {
                dir: "(in memory)".into(),
                case: name.into(),
            })
    }

    /// A recording in memory was not read: what it lacks is found missing by the judge.
    fn golden_case(&self, name: &str) -> Result<Cow<'_, CaseRecord>, Error> {
        let record = self.case(name)?;
        match contents::untrue(&record) {
            Some((file, reason)) => {
                let path = Path::new("(in memory)").join(name).join(file);
                Err(Error::damaged(&path, reason))
            }
            None => Ok(record),
        }
    }

    fn manifest_sha256(&self) -> Option<&str> {
        None
    }
}

/// The manifest of the recording in `dir`: its path and its text.
fn read_manifest(dir: &Path) -> Result<(PathBuf, String), Error> {
    let path = dir.join(MANIFEST);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::Missing {
                dir: dir.to_owned(),
            });
        }
        Err(e) => return Err(Error::io(&path)(e)),
    };
    let text = String::from_utf8(bytes).map_err(|e| Error::damaged(&path, e.utf8_error()))?;
    Ok((path, text))
}

fn json<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|e| Error::damaged(path, e))
}
