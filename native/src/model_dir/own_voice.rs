use std::fs;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// A voice prompt that lies in a model directory, to speak with where no other is given.
///
/// Published models have none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnVoice {
    /// The recording, `prompt.wav`.
    pub recording: PathBuf,
    /// What is said in it, after a prompt that ends in `<|endofprompt|>`: `prompt.txt`.
    pub transcript: String,
}

impl OwnVoice {
    /// The voice in `model`; `None` if that has none.
    ///
    /// # Errors
    /// If there is a recording without a transcript that can be read.
    pub(super) fn of(model: &Path) -> Result<Option<Self>> {
        let recording = model.join("prompt.wav");
        if !recording.is_file() {
            return Ok(None);
        }
        let text = model.join("prompt.txt");
        let transcript = fs::read_to_string(&text)
            .map_err(|e| Error::format(&text, format!("the transcript of prompt.wav: {e}")))?;
        Ok(Some(Self {
            recording,
            transcript: transcript.trim_end().to_owned(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_comes_with_its_transcript() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(OwnVoice::of(dir.path()).unwrap(), None);
        fs::write(dir.path().join("prompt.wav"), "").unwrap();
        let error = OwnVoice::of(dir.path()).unwrap_err().to_string();
        assert!(error.contains("prompt.txt"), "{error}");
        fs::write(dir.path().join("prompt.txt"), "Hello.\n").unwrap();
        let voice = OwnVoice::of(dir.path()).unwrap().unwrap();
        assert_eq!(voice.transcript, "Hello.");
    }
}
