use std::collections::BTreeMap;
use std::path::Path;

use parity_atomic::Replacement;

use super::{Error, MANIFEST, Manifest, RecordedCase, tensors};
use crate::array::Array;
use crate::recording::SAMPLE_RATE;
use crate::stage::Key;
use crate::wav;

/// Writes a recording of another program, as far as it was recorded: without a seal, and without
/// what that program does not tell.
#[derive(Debug)]
pub struct OpenWriter {
    manifest: Manifest,
    folder: Replacement,
}

/// What another program told of a case.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// Tensors and token lists.
    pub tensors: BTreeMap<Key, Array>,
    /// The sound at 24 kHz.
    pub audio: Option<Vec<f32>>,
}

impl OpenWriter {
    /// Begins a recording in its reserved place; see [`super::Writer::reserve`].
    pub fn within(folder: Replacement, manifest: Manifest) -> Self {
        Self { manifest, folder }
    }

    /// Writes one case.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn case(&mut self, case: &RecordedCase, told: &Told) -> Result<(), Error> {
        let name = &case.case.name;
        let folder = self.folder.path().join(name);
        std::fs::create_dir(&folder).map_err(Error::io(&folder))?;
        let invalid = |reason: String| Error::Invalid {
            case: name.clone(),
            reason,
        };
        let inputs = serde_json::to_vec_pretty(case).map_err(|e| invalid(e.to_string()))?;
        write(&folder.join("case.json"), &inputs)?;
        if !told.tensors.is_empty() {
            let bytes = tensors::encode(&told.tensors).map_err(invalid)?;
            write(&folder.join("tensors.safetensors"), &bytes)?;
        }
        if let Some(audio) = &told.audio {
            let bytes = wav::encode(audio, SAMPLE_RATE).map_err(|e| invalid(e.to_string()))?;
            write(&folder.join("audio.wav"), &bytes)?;
        }
        self.manifest.cases.entry(name.clone()).or_default();
        Ok(())
    }

    /// Puts the recording in its place, and removes the one that was there.
    ///
    /// # Errors
    /// If the manifest cannot be written, or the folder cannot be moved.
    pub fn finish(self) -> Result<(), Error> {
        let path = self.folder.path().join(MANIFEST);
        write(&path, &self.manifest.unsealed(&path)?)?;
        self.folder.finish().map_err(Error::replacing)
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    std::fs::write(path, bytes).map_err(Error::io(path))
}
