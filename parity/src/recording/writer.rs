use std::path::Path;

use parity_atomic::{self as atomic, Replacement};
use serde::Serialize;

use super::case_record::{CaseRecord, SAMPLE_RATE};
use super::manifest::CaseFiles;
use super::{
    Error, MANIFEST, Manifest, ModelInfo, Reader, RecordingSource as _, Sealed, sha256, tensors,
};
use crate::metric::Noise;
use crate::wav;

/// Writes a recording one case at a time. Nothing appears under its name before
/// [`Writer::finish`], so that an interrupted run leaves the old recording intact.
#[derive(Debug)]
pub struct Writer {
    manifest: Manifest,
    folder: Replacement,
}

impl Writer {
    /// Begins a recording that will lie in `dir`. `manifest` needs neither cases nor a seal.
    ///
    /// # Errors
    /// If `dir` holds something else than a recording, or cannot be written to.
    pub fn create(dir: impl AsRef<Path>, manifest: Manifest) -> Result<Self, Error> {
        Ok(Self::within(Self::reserve(dir)?, manifest))
    }

    /// The place of a recording that will lie in `dir`, before anything is known of it. Until it
    /// is dropped, no other process can record there.
    ///
    /// # Errors
    /// If `dir` holds something else than a recording, another process is recording there, or it
    /// cannot be written to.
    pub fn reserve(dir: impl AsRef<Path>) -> Result<Replacement, Error> {
        Replacement::begin(dir.as_ref(), MANIFEST).map_err(Error::replacing)
    }

    /// Begins a recording in its reserved place. `manifest` needs neither cases nor a seal.
    pub fn within(folder: Replacement, manifest: Manifest) -> Self {
        Self {
            manifest: Manifest {
                cases: Default::default(),
                ..manifest
            },
            folder,
        }
    }

    /// Writes one case.
    ///
    /// # Errors
    /// If the case is invalid or was already written, or a file cannot be written.
    pub fn case(&mut self, record: &CaseRecord) -> Result<(), Error> {
        let name = record.name();
        let invalid = |reason: String| Error::Invalid {
            case: name.into(),
            reason,
        };
        record.case.case.check().map_err(invalid)?;
        if self.manifest.cases.contains_key(name) {
            return Err(invalid("it was already written".into()));
        }
        if let Some(key) = record.tensors.keys().find(|k| !k.stage.is_tensor()) {
            return Err(invalid(format!("{key} is not a tensor")));
        }
        // JSON has no NaN: it would be written, but could not be read again.
        let finite = |n: &Noise| n.max_abs.is_finite() && n.p999.is_finite() && n.rms.is_finite();
        if let Some((key, _)) = record.noise.iter().find(|(_, n)| !finite(n)) {
            return Err(invalid(format!("the noise of {key} is not finite")));
        }
        let mut contents = vec![
            ("case.json", json(&record.case).map_err(invalid)?),
            ("text.json", json(&record.text).map_err(invalid)?),
            (
                "tensors.safetensors",
                tensors::encode(&record.tensors).map_err(invalid)?,
            ),
            (
                "audio.wav",
                wav::encode(&record.audio, SAMPLE_RATE).map_err(|e| invalid(e.to_string()))?,
            ),
        ];
        if !record.noise.is_empty() {
            contents.push(("noise.json", json(&record.noise).map_err(invalid)?));
        }
        let folder = self.folder.path().join(name);
        std::fs::create_dir(&folder).map_err(Error::io(&folder))?;
        let mut files = CaseFiles::default();
        for (file, bytes) in contents {
            let path = folder.join(file);
            std::fs::write(&path, &bytes).map_err(Error::io(&path))?;
            files.files.insert(file.into(), sha256(&bytes));
        }
        self.manifest.cases.insert(name.into(), files);
        Ok(())
    }

    /// Copies a case of another recording, file by file, with their hashes checked.
    ///
    /// # Errors
    /// If the case was already written, or a file is damaged or cannot be written.
    pub fn copy(&mut self, from: &Reader, name: &str) -> Result<(), Error> {
        if self.manifest.cases.contains_key(name) {
            return Err(Error::Invalid {
                case: name.into(),
                reason: "it was already written".into(),
            });
        }
        let folder = self.folder.path().join(name);
        std::fs::create_dir(&folder).map_err(Error::io(&folder))?;
        let mut files = CaseFiles::default();
        for (file, bytes) in from.files(name)? {
            let path = folder.join(&file);
            std::fs::write(&path, &bytes).map_err(Error::io(&path))?;
            files.files.insert(file, sha256(&bytes));
        }
        self.manifest.cases.insert(name.into(), files);
        Ok(())
    }

    /// The manifest so far, to add seconds and the like.
    pub fn manifest_mut(&mut self) -> &mut Manifest {
        &mut self.manifest
    }

    /// Puts the recording in its place, and removes the one that was there.
    ///
    /// # Errors
    /// If the manifest cannot be written, or the folder cannot be moved.
    pub fn finish(self) -> Result<(), Error> {
        self.seal()?.finish().map_err(Error::replacing)
    }

    /// Completes the recording, but leaves it where it was made: it can be read there, and then be
    /// put in its place, or dropped.
    ///
    /// # Errors
    /// If the manifest cannot be written.
    pub fn seal(self) -> Result<Replacement, Error> {
        let path = self.folder.path().join(MANIFEST);
        std::fs::write(&path, self.manifest.sealed()).map_err(Error::io(&path))?;
        Ok(self.folder)
    }
}

/// Adds to the recording in `dir` what its model's configuration says, which older ones do not
/// state. The same files give the same settings, so that nothing new is claimed.
///
/// # Errors
/// If the recording cannot be read or written, or `model` has other files.
pub fn add_settings(dir: &Path, model: &ModelInfo) -> Result<(), Error> {
    let reader = Reader::open(dir)?;
    let path = dir.join(MANIFEST);
    if reader.manifest().model.files != model.files {
        return Err(Error::Stale {
            path,
            reason: "it was recorded with other model files".into(),
        });
    }
    let mut manifest = reader.manifest().clone();
    manifest.model.settings = model.settings.clone();
    atomic::write_file(&path, manifest.sealed().as_bytes()).map_err(Error::replacing)
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, String> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|e| e.to_string())?;
    bytes.push(b'\n');
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::RecordedCase;
    use super::*;

    fn folders(dir: &Path) -> Vec<std::path::PathBuf> {
        let entries = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
        entries.filter(|path| path.is_dir()).collect()
    }

    #[test]
    fn committed_cases_are_written_byte_for_byte_as_they_are_read() {
        // Manifests hold the hashes of these files, so even another order of fields would make
        // every golden look changed.
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../golden");
        let cases = folders(&golden).into_iter().flat_map(|dir| folders(&dir));
        let mut checked = 0;
        for path in cases.map(|case| case.join("case.json")) {
            let Ok(bytes) = std::fs::read(&path) else {
                continue;
            };
            let case: RecordedCase = serde_json::from_slice(&bytes).unwrap();
            assert_eq!(json(&case).unwrap(), bytes, "{}", path.display());
            checked += 1;
        }
        assert!(checked > 60, "only {checked} cases were found");
    }
}
