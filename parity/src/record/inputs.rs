//! A case as the native engine takes it.

use native::audio::Waveform;
use native::engine::{Engine, Mode, Request, Script, Text, Voice};
use native::llm::Strategy;
use native::model_dir::{SavedSpeaker, SavedSpeakers};
use native::voice::VoicePrompt;

use super::Error;
use crate::case::{self, Case, CaseFile};
use crate::recording::RecordedCase;

/// The mode of a case that has a text; nothing for voice conversion. A saved speaker's transcript is
/// not part of it.
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
    native::Error::input(format!("case {}: mode {mode} needs {what}", case.name))
}

/// What a case says, with its sound files read.
pub(super) struct Inputs {
    /// The case, with the hashes of its files.
    pub(super) recorded: RecordedCase,
    /// The mode. A saved speaker's transcript is not part of it.
    pub(super) mode: Mode,
    /// The text.
    pub(super) text: Text,
    /// The recording of the voice.
    pub(super) prompt: Waveform,
    /// How tokens are sampled.
    pub(super) sampling: Strategy,
}

impl Inputs {
    /// Reads the files that `case` of `file` names.
    pub(super) fn read(case: &Case, file: &CaseFile, sampling: Strategy) -> Result<Self, Error> {
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
        let text = match case.in_pieces() {
            true => Text::Pieces(case.pieces.clone()),
            false => Text::Whole(case.text.clone()),
        };
        Ok(Self {
            recorded: RecordedCase::of(case, file)?,
            mode,
            text,
            prompt: Waveform::read(&file.resolve(&case.prompt_wav))?,
            sampling,
        })
    }

    /// The case.
    pub(super) fn case(&self) -> &Case {
        &self.recorded.case
    }

    /// The request, spoken by `voice`, or by the saved speaker that the case makes of it.
    pub(super) fn request(&self, engine: &Engine, voice: VoicePrompt) -> native::Result<Request> {
        let case = self.case();
        let voice = match self.save_and_read(engine, &voice)? {
            Some(speaker) => Voice::Saved(speaker),
            None => Voice::Prompt(voice),
        };
        let request = Request::new(self.mode.clone(), self.text.clone(), voice)
            .speed(case.speed)
            .sampling(self.sampling);
        // As in the reference, every case begins with a fresh hop.
        Ok(match case.stream {
            true => request.streamed(),
            false => request,
        })
    }

    /// The voice as it was saved in a file and read back, if the case has a saved speaker.
    fn save_and_read(
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
        let speaker = SavedSpeaker::new(engine.frontend(), words, voice)?;
        speakers.add(name, &speaker)?;
        speakers.save()?;
        SavedSpeakers::open(&path)?.get(name).map(Some)
    }

    /// The text stage.
    pub(super) fn script(
        &self,
        engine: &Engine,
        speaker: Option<&SavedSpeaker>,
    ) -> native::Result<Script> {
        let mut script = engine.script_of(&self.mode, &self.text, speaker)?;
        // The speakers file has only the transcript's ids, but a recording shall be readable.
        let case = self.case();
        if let (Some(_), Some(words)) = (&case.speaker, &case.prompt_text)
            && !matches!(self.mode, Mode::CrossLingual)
        {
            script.prompt_text = words.clone();
        }
        Ok(script)
    }
}
