//! The voices that requests can name.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use axum::http::StatusCode;
use native::audio::Waveform;
use native::engine::{Engine, Mode, Voice};
use native::model_dir::{SavedSpeaker, SavedSpeakers};
use native::voice::VoicePrompt;
use sha2::{Digest as _, Sha256};

use crate::error::Failure;
use crate::order::Recording;

/// The name of the voice that comes with the model, unless a saved speaker has it.
pub(crate) const OWN: &str = "default";
/// What is put before a transcript that has no prompt of its own, as in the reference's example.
pub(crate) const PROMPT: &str = "You are a helpful assistant.<|endofprompt|>";
/// Recordings whose analysis is remembered: clients of the reference send theirs every time.
const REMEMBERED: usize = 32;

pub(crate) struct Voices {
    own: Option<OwnVoice>,
    file: PathBuf,
    saved: Mutex<Saved>,
    analysed: Mutex<VecDeque<([u8; 32], VoicePrompt)>>,
}

struct OwnVoice {
    voice: VoicePrompt,
    transcript: String,
}

/// The file of saved speakers as it was when it was read.
struct Saved {
    stamp: Option<(SystemTime, u64)>,
    speakers: SavedSpeakers,
}

impl Voices {
    /// Analyses the voice that comes with the model, and reads the saved speakers.
    pub(crate) fn load(engine: &Engine, file: Option<PathBuf>) -> native::Result<Self> {
        let model = engine.model_dir();
        let own = match model.own_voice()? {
            Some(own) => Some(OwnVoice {
                voice: engine.voice(&Waveform::read(&own.recording)?)?,
                transcript: own.transcript,
            }),
            None => None,
        };
        let file = file.unwrap_or_else(|| model.saved_speakers());
        let saved = Saved {
            stamp: stamp(&file),
            speakers: SavedSpeakers::open(&file)?,
        };
        Ok(Self {
            own,
            file,
            saved: Mutex::new(saved),
            analysed: Mutex::default(),
        })
    }

    /// The saved speakers, read again where the file has changed.
    fn saved(&self) -> native::Result<MutexGuard<'_, Saved>> {
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        let now = stamp(&self.file);
        if now != saved.stamp {
            saved.speakers = SavedSpeakers::open(&self.file)?;
            saved.stamp = now;
        }
        Ok(saved)
    }

    /// Every name.
    pub(crate) fn names(&self) -> native::Result<Vec<String>> {
        let saved = self.saved()?;
        let mut names: Vec<_> = saved.speakers.names().map(str::to_owned).collect();
        if self.own.is_some() && !names.iter().any(|name| name == OWN) {
            names.insert(0, OWN.to_owned());
        }
        Ok(names)
    }

    /// A voice by its name, and how it is used: its transcript continues into the text, unless an
    /// instruction says how to speak.
    pub(crate) fn get(
        &self,
        name: &str,
        instruct: Option<String>,
    ) -> Result<(Mode, Voice), Failure> {
        let saved = self.saved()?;
        if saved.speakers.names().any(|saved| saved == name) {
            let speaker = saved.speakers.get(name)?;
            return Ok(match instruct {
                // As a saved speaker, its transcript would replace the instruction.
                Some(instruct) => (Mode::Instruct { instruct }, speaker.voice.into()),
                None => {
                    let prompt_text = String::new();
                    (Mode::ZeroShot { prompt_text }, speaker.into())
                }
            });
        }
        drop(saved);
        match &self.own {
            Some(own) if name == OWN => {
                let mode = match instruct {
                    Some(instruct) => Mode::Instruct { instruct },
                    None => Mode::ZeroShot {
                        prompt_text: own.transcript.clone(),
                    },
                };
                Ok((mode, own.voice.clone().into()))
            }
            _ => Err(self.unknown(name)),
        }
    }

    fn unknown(&self, name: &str) -> Failure {
        let names = self.names().unwrap_or_default();
        let known = match names.is_empty() {
            true => "none; upload one with POST /v1/audio/voices".to_owned(),
            false => names.join(", "),
        };
        Failure {
            field: Some("voice"),
            ..Failure::new(
                StatusCode::NOT_FOUND,
                "voice_not_found",
                format!("there is no voice `{name}`; there are: {known}"),
            )
        }
    }

    /// What the model needs to know of a recording.
    pub(crate) fn analysed(
        &self,
        engine: &Engine,
        sound: Recording,
    ) -> Result<VoicePrompt, Failure> {
        let bytes = match sound {
            Recording::Bytes(bytes) => bytes,
            Recording::File(path) => std::fs::read(&path).map_err(native::Error::io(&path))?,
        };
        let hash: [u8; 32] = Sha256::digest(&bytes).into();
        if let Some(voice) = self.remembered(&hash) {
            return Ok(voice);
        }
        let recording = Waveform::from_bytes(bytes, Path::new("the recording"))?;
        let voice = engine.voice(&recording)?;
        let mut analysed = self.analysed.lock().unwrap_or_else(PoisonError::into_inner);
        analysed.push_front((hash, voice.clone()));
        analysed.truncate(REMEMBERED);
        Ok(voice)
    }

    fn remembered(&self, hash: &[u8; 32]) -> Option<VoicePrompt> {
        let mut analysed = self.analysed.lock().unwrap_or_else(PoisonError::into_inner);
        let at = analysed.iter().position(|(of, _)| of == hash)?;
        let found = analysed.remove(at)?;
        analysed.push_front(found);
        analysed.front().map(|(_, voice)| voice.clone())
    }

    /// Saves a voice under a name that nobody has yet.
    pub(crate) fn add(&self, engine: &Engine, upload: Upload) -> Result<(), Failure> {
        let Upload {
            name,
            transcript,
            sound,
        } = upload;
        let taken = || Failure {
            field: Some("name"),
            ..Failure::new(
                StatusCode::CONFLICT,
                "voice_exists",
                format!("there is a voice `{name}` already: choose another name"),
            )
        };
        if self.names()?.contains(&name) {
            return Err(taken());
        }
        let voice = self.analysed(engine, sound)?;
        let speaker = SavedSpeaker::new(engine.frontend(), &prompted(&transcript), &voice)?;
        let mut there = false;
        SavedSpeakers::update(&self.file, |speakers| {
            there = speakers.names().any(|saved| saved == name);
            if there {
                Ok(())
            } else {
                speakers.add(&name, &speaker)
            }
        })?;
        if there { Err(taken()) } else { Ok(()) }
    }
}

/// A voice that is to be saved.
pub(crate) struct Upload {
    pub(crate) name: String,
    pub(crate) transcript: String,
    pub(crate) sound: Recording,
}

/// A transcript or an instruction with the prompt that the model needs, if it has none.
pub(crate) fn prompted(transcript: &str) -> String {
    match transcript.contains("<|endofprompt|>") {
        true => transcript.to_owned(),
        false => format!("{PROMPT}{transcript}"),
    }
}

/// An instruction in the form in which the model was trained with them.
pub(crate) fn instruction(how: &str) -> String {
    match how.contains("<|endofprompt|>") {
        true => how.to_owned(),
        false => format!("You are a helpful assistant. {how}<|endofprompt|>"),
    }
}

/// By which a change of a file is noticed; `None` where there is none.
fn stamp(file: &Path) -> Option<(SystemTime, u64)> {
    let metadata = std::fs::metadata(file).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_is_added_only_where_there_is_none() {
        assert_eq!(
            prompted("Hello."),
            "You are a helpful assistant.<|endofprompt|>Hello."
        );
        assert_eq!(prompted("A.<|endofprompt|>B."), "A.<|endofprompt|>B.");
        assert_eq!(
            instruction("Slowly."),
            "You are a helpful assistant. Slowly.<|endofprompt|>"
        );
        assert_eq!(
            instruction("Slowly.<|endofprompt|>"),
            "Slowly.<|endofprompt|>"
        );
    }
}
