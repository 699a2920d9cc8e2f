//! A case as the native engine takes it.

use std::path::Path;

use native::audio::Waveform;
use native::engine::{Engine, Mode, Request, Script, Text, Voice};
use native::llm::Strategy;
use native::model_dir::{SavedSpeaker, SavedSpeakers};
use native::voice::VoicePrompt;

use super::Error;
use crate::case::{self, Case, CaseFile};
use crate::recording::RecordedCase;

/// The mode of a case; `read` reads the recording that a voice
/// conversion names.
pub(super) fn mode(
    case: &Case,
    read: impl FnOnce(&Path) -> native::Result<Waveform>,
) -> native::Result<Mode> {
    Ok(match &case.mode {
        case::Mode::ZeroShot { prompt_text, .. } => Mode::ZeroShot {
            prompt_text: prompt_text.clone(),
        },
        case::Mode::CrossLingual { .. } => Mode::CrossLingual,
        case::Mode::Instruct { instruct, .. } => Mode::Instruct {
            instruct: instruct.clone(),
        },
        case::Mode::Vc { source_wav } => Mode::VoiceConversion {
            source: read(source_wav)?,
        },
    })
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
        let mode = mode(case, |source| Waveform::read(&file.resolve(source)))?;
        let text = match case.text() {
            Some(case::Text::Pieces(pieces)) => Text::Pieces(pieces.clone()),
            Some(case::Text::Whole(text)) => Text::Whole(text.clone()),
            None => Text::Whole(String::new()),
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
        let Some(saved) = &case.speaker else {
            return Ok(None);
        };
        let folder = tempfile::tempdir().map_err(native::Error::io(std::env::temp_dir()))?;
        let path = folder.path().join("spk2info.pt");
        let mut speakers = SavedSpeakers::open(&path)?;
        let speaker = SavedSpeaker::new(engine.frontend(), &saved.transcript, voice)?;
        speakers.add(&saved.name, &speaker)?;
        speakers.save()?;
        SavedSpeakers::open(&path)?.get(&saved.name).map(Some)
    }

    /// The text stage.
    pub(super) fn script(
        &self,
        engine: &Engine,
        speaker: Option<&SavedSpeaker>,
    ) -> native::Result<Script> {
        let mut script = engine.script_of(&self.mode, &self.text, speaker)?;
        // The speakers file has only the transcript's ids, but a recording shall be readable.
        if let Some(speaker) = &self.case().speaker
            && !matches!(self.mode, Mode::CrossLingual)
        {
            script.prompt_text = speaker.transcript.clone();
        }
        Ok(script)
    }
}
