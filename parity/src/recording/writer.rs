use std::path::{Path, PathBuf};

use serde::Serialize;
use tempfile::TempDir;

use super::manifest::CaseFiles;
use super::record::{CaseRecord, Noise};
use super::{Error, MANIFEST, Manifest, sha256, tensors, wav};

/// Writes a recording one case at a time. Nothing is seen under its name before
/// [`Writer::finish`]: a run that breaks leaves the old recording whole.
#[derive(Debug)]
pub struct Writer {
    dir: PathBuf,
    manifest: Manifest,
    temporary: TempDir,
}

impl Writer {
    /// Begins a recording that will lie in `dir`. `manifest` needs neither cases nor a seal.
    pub fn create(dir: impl AsRef<Path>, manifest: Manifest) -> Result<Self, Error> {
        // An absolute path has a parent and a name, even where `dir` is "." or ends in "..".
        let dir = std::path::absolute(dir.as_ref()).map_err(Error::io(dir.as_ref()))?;
        let dir = dir.canonicalize().unwrap_or(dir);
        refuse_foreign(&dir)?;
        let parent = dir.parent().unwrap_or(&dir);
        std::fs::create_dir_all(parent).map_err(Error::io(parent))?;
        let temporary = sibling(&dir)?;
        Ok(Self {
            dir,
            manifest: Manifest {
                cases: Default::default(),
                ..manifest
            },
            temporary,
        })
    }

    /// Writes one case.
    pub fn case(&mut self, record: &CaseRecord) -> Result<(), Error> {
        let name = record.name();
        let invalid = |reason: String| Error::Invalid {
            case: name.into(),
            reason,
        };
        record.case.case.check().map_err(invalid)?;
        if self.manifest.cases.contains_key(name) {
            return Err(invalid("it was written before".into()));
        }
        if let Some(key) = record.tensors.keys().find(|k| !k.stage.is_tensor()) {
            return Err(invalid(format!("{key} is no tensor")));
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
            ("audio.wav", wav::encode(&record.audio).map_err(invalid)?),
        ];
        if !record.noise.is_empty() {
            contents.push(("noise.json", json(&record.noise).map_err(invalid)?));
        }
        let folder = self.temporary.path().join(name);
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

    /// The manifest so far, to add seconds and the like.
    pub fn manifest_mut(&mut self) -> &mut Manifest {
        &mut self.manifest
    }

    /// Puts the recording in its place, and takes away the one that was there.
    pub fn finish(self) -> Result<(), Error> {
        let path = self.temporary.path().join(MANIFEST);
        std::fs::write(&path, self.manifest.sealed()).map_err(Error::io(&path))?;
        refuse_foreign(&self.dir)?;
        let retired = if self.dir.exists() {
            let retired = sibling(&self.dir)?;
            let old = retired.path().join("old");
            std::fs::rename(&self.dir, &old).map_err(Error::io(&self.dir))?;
            Some((retired, old))
        } else {
            None
        };
        if let Err(e) = std::fs::rename(self.temporary.path(), &self.dir) {
            if let Some((_, old)) = &retired {
                std::fs::rename(old, &self.dir).map_err(Error::io(&self.dir))?;
            }
            return Err(Error::io(&self.dir)(e));
        }
        // It bears its own name now and must outlive the guard.
        let _renamed = self.temporary.keep();
        Ok(())
    }
}

/// A fresh folder beside `dir`, on the same file system, so that it can be renamed to it.
fn sibling(dir: &Path) -> Result<TempDir, Error> {
    let name = dir
        .file_name()
        .map(|n| n.to_string_lossy().into_owned())
        .unwrap_or_default();
    let parent = dir.parent().unwrap_or(dir);
    let mut builder = tempfile::Builder::new();
    let prefix = format!(".{name}.");
    builder.prefix(&prefix);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755));
    builder.tempdir_in(parent).map_err(Error::io(parent))
}

/// Refuses a folder that holds something else than a recording.
fn refuse_foreign(dir: &Path) -> Result<(), Error> {
    match std::fs::read_dir(dir).map(|mut entries| entries.next().is_some()) {
        Ok(true) if !dir.join(MANIFEST).is_file() => Err(Error::NotARecording {
            dir: dir.to_owned(),
        }),
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io(dir)(e)),
        _ => Ok(()),
    }
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, String> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|e| e.to_string())?;
    bytes.push(b'\n');
    Ok(bytes)
}
