//! A case as the native engine takes it.

use native::audio::Waveform;
use native::engine::{Engine, Mode, Request, Script};
use native::llm::Sampler;
use native::model_dir::{SavedSpeaker, SavedSpeakers};
use native::voice::VoicePrompt;

use super::native::Error;
use crate::case::{self, Case, CaseFile};
use crate::recording::RecordedCase;

/// How `case` asks for its text; nothing for voice conversion, which has none. A saved speaker's
/// words are no part of it.
pub(super) fn text_mode(case: &Case) -> native::Result<Option<Mode>> {
    let needed = |value: &Option<String>, what| value.clone().ok_or_else(|| missing(case, what));
    Ok(Some(match case.mode {
        case::Mode::ZeroShot if case.speaker.is_some() => Mode::ZeroShot {
            prompt_text: String::new(),
        },
        case::Mode::ZeroShot => Mode::ZeroShot {
            prompt_text: needed(&case.prompt_text, "prompt_text")?,
        },
        case::Mode::CrossLingual => Mode::CrossLingual,
        case::Mode::Instruct => Mode::Instruct {
            instruct: needed(&case.instruct, "instruct")?,
        },
        case::Mode::Vc => return Ok(None),
    }))
}

fn missing(case: &Case, what: &str) -> native::Error {
    let mode = case.mode.name();
    native::Error::input(format!("case {} is {mode} and has no {what}", case.name))
}

/// What a case says, with its sound files read.
pub(super) struct Inputs {
    /// The case, with the hashes of its files.
    pub recorded: RecordedCase,
    /// The request. A saved speaker's words are no part of it.
    pub request: Request,
    /// The recording of the voice.
    pub prompt: Waveform,
    /// A sampler at the beginning.
    pub sampler: Sampler,
}

impl Inputs {
    /// Reads what `case` of `file` names.
    pub fn read(case: &Case, file: &CaseFile, sampler: Sampler) -> Result<Self, Error> {
        let mode = match text_mode(case)? {
            Some(mode) => mode,
            None => {
                let source = case.source_wav.as_ref();
                let source = source.ok_or_else(|| missing(case, "source_wav"))?;
                Mode::VoiceConversion {
                    source: Waveform::read(&file.resolve(source))?,
                }
            }
        };
        Ok(Self {
            recorded: RecordedCase::of(case, file)?,
            request: Request {
                text: case.text.clone(),
                mode,
                speed: case.speed,
            },
            prompt: Waveform::read(&file.resolve(&case.prompt_wav))?,
            sampler,
        })
    }

    /// The case.
    pub fn case(&self) -> &Case {
        &self.recorded.case
    }

    /// The voice as it was saved in a file and read back, where the case has a saved speaker.
    pub fn speaker(
        &self,
        engine: &Engine,
        voice: &VoicePrompt,
    ) -> native::Result<Option<SavedSpeaker>> {
        let case = self.case();
        let (Some(name), Some(words)) = (&case.speaker, &case.prompt_text) else {
            return Ok(None);
        };
        let folder = tempfile::tempdir().map_err(native::Error::io(std::env::temp_dir()))?;
        let path = folder.path().join("spk2info.pt");
        let mut speakers = SavedSpeakers::open(&path)?;
        let speaker = SavedSpeaker::new(&engine.frontend, words, voice)?;
        speakers.add(name, &speaker)?;
        speakers.save()?;
        SavedSpeakers::open(&path)?.get(name).map(Some)
    }

    /// The text stage. A saved speaker's words come from `speaker`, or are tokenised here as they
    /// are for saving.
    pub fn script(
        &self,
        engine: &Engine,
        speaker: Option<&SavedSpeaker>,
    ) -> native::Result<Script> {
        let (case, mode) = (self.case(), &self.request.mode);
        let mut script = if case.pieces.is_empty() {
            engine.script(&self.request)?
        } else {
            engine.script_in_pieces(mode, &case.pieces)?
        };
        if let Some(speaker) = speaker {
            script = script.said_by(speaker, mode);
        }
        // The file has the words' ids only, and the recording is also to be read.
        if let (Some(_), Some(words)) = (&case.speaker, &case.prompt_text)
            && !matches!(mode, Mode::CrossLingual)
        {
            script.prompt_text = words.clone();
        }
        Ok(script)
    }
}
