use super::{Hop, ModeName};
use crate::audio::Waveform;
use crate::family::EndOfPrompt;
use crate::llm::{SharedRng, Strategy, no_end_of_prompt};
use crate::model_dir::SavedSpeaker;
use crate::stage::RequestTraits;
use crate::torch_rng::Multinomial;
use crate::voice::VoicePrompt;
use crate::{Error, Result};

/// How text and voice reach the model; the reference's `inference_*` methods.
#[derive(Clone, Debug)]
pub enum Mode {
    /// The transcript of the voice prompt is known and continues into the text.
    ZeroShot {
        /// What is said in the voice prompt, after the system prompt and `<|endofprompt|>`. Ignored
        /// with a saved speaker, who has a transcript of its own.
        prompt_text: String,
    },
    /// Only the voice is taken; the text carries its own `<|endofprompt|>` prefix.
    CrossLingual,
    /// An instruction on how to speak, ending in `<|endofprompt|>`; it is not normalised.
    Instruct {
        /// The instruction.
        instruct: String,
    },
    /// The words of another recording in the prompt's voice. Has no text.
    VoiceConversion {
        /// The recording whose words are kept.
        source: Waveform,
    },
}

impl Mode {
    /// The mode's name.
    pub fn name(&self) -> ModeName {
        match self {
            Self::ZeroShot { .. } => ModeName::ZeroShot,
            Self::CrossLingual => ModeName::CrossLingual,
            Self::Instruct { .. } => ModeName::Instruct,
            Self::VoiceConversion { .. } => ModeName::Vc,
        }
    }
}

/// What to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// The whole text, which is normalised and split into segments.
    Whole(String),
    /// A text that arrives in pieces while it is spoken. As in the reference, the pieces are neither
    /// normalised nor split, each is tokenised on its own, and together they are one segment.
    Pieces(Vec<String>),
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::Whole(text.to_owned())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::Whole(text)
    }
}

/// The voice to speak with.
#[derive(Clone, Debug)]
pub enum Voice {
    /// From a recording; see [`Engine::voice`](super::Engine::voice).
    Prompt(VoicePrompt),
    /// A saved speaker, with the transcript of its recording.
    Saved(SavedSpeaker),
}

impl Voice {
    /// What the model needs to know about it.
    pub fn prompt(&self) -> &VoicePrompt {
        match self {
            Self::Prompt(prompt) => prompt,
            Self::Saved(speaker) => &speaker.voice,
        }
    }

    /// The saved speaker, if it is one.
    pub fn saved(&self) -> Option<&SavedSpeaker> {
        match self {
            Self::Prompt(_) => None,
            Self::Saved(speaker) => Some(speaker),
        }
    }
}

impl From<VoicePrompt> for Voice {
    fn from(prompt: VoicePrompt) -> Self {
        Self::Prompt(prompt)
    }
}

impl From<SavedSpeaker> for Voice {
    fn from(speaker: SavedSpeaker) -> Self {
        Self::Saved(speaker)
    }
}

/// One thing to say.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Request {
    /// What to say; empty in voice conversion.
    pub text: Text,
    /// How text and voice are combined.
    pub mode: Mode,
    /// The voice to speak with.
    pub voice: Voice,
    /// Playback speed; 1 is natural, 2 is twice as fast.
    pub speed: f64,
    /// How speech tokens are sampled.
    pub sampling: Strategy,
    /// The generator to draw from instead of a fresh one that `sampling` names.
    pub rng: Option<SharedRng>,
    /// The hop of a streamed request; without one, each segment is delivered as a whole.
    pub stream: Option<Hop>,
}

impl Request {
    /// A request in any mode, at natural speed, not streamed, sampled with PyTorch's draws under
    /// seed 0.
    pub fn new(mode: Mode, text: impl Into<Text>, voice: impl Into<Voice>) -> Self {
        let sampling = Strategy::Torch {
            seed: 0,
            multinomial: Multinomial::default(),
        };
        Self {
            text: text.into(),
            mode,
            voice: voice.into(),
            speed: 1.0,
            sampling,
            rng: None,
            stream: None,
        }
    }

    /// Says `text` in a voice whose recording has the transcript `prompt_text`.
    pub fn zero_shot(
        text: impl Into<Text>,
        prompt_text: impl Into<String>,
        voice: impl Into<Voice>,
    ) -> Self {
        let prompt_text = prompt_text.into();
        Self::new(Mode::ZeroShot { prompt_text }, text, voice)
    }

    /// Says `text`, which begins with an instruction and `<|endofprompt|>`, in a voice of any
    /// language.
    pub fn cross_lingual(text: impl Into<Text>, voice: impl Into<Voice>) -> Self {
        Self::new(Mode::CrossLingual, text, voice)
    }

    /// Says `text` as `instruct` demands, which ends in `<|endofprompt|>`.
    pub fn instruct(
        text: impl Into<Text>,
        instruct: impl Into<String>,
        voice: impl Into<Voice>,
    ) -> Self {
        let instruct = instruct.into();
        Self::new(Mode::Instruct { instruct }, text, voice)
    }

    /// Says what is said in `source` in another voice.
    pub fn convert(source: Waveform, voice: impl Into<Voice>) -> Self {
        Self::new(Mode::VoiceConversion { source }, "", voice)
    }

    /// Samples with PyTorch's draws under this seed.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        self.sampling(Strategy::Torch {
            seed,
            multinomial: Multinomial::default(),
        })
    }

    /// Samples in another way.
    #[must_use]
    pub fn sampling(self, sampling: Strategy) -> Self {
        Self { sampling, ..self }
    }

    /// Samples with PyTorch's draws from a generator that other requests go on with, as the
    /// reference's requests do with torch's global generator.
    #[must_use]
    pub fn drawing_from(self, rng: &SharedRng) -> Self {
        Self {
            rng: Some(rng.clone()),
            ..self
        }
    }

    /// Speaks faster or slower.
    #[must_use]
    pub fn speed(self, speed: f64) -> Self {
        Self { speed, ..self }
    }

    /// Delivers the sound in chunks while the language model still samples (the reference's
    /// `stream=True`).
    #[must_use]
    pub fn streamed(self) -> Self {
        self.streamed_with(&Hop::default())
    }

    /// Like [`Request::streamed`], continuing with a hop that earlier requests have grown.
    #[must_use]
    pub fn streamed_with(self, hop: &Hop) -> Self {
        Self {
            stream: Some(hop.clone()),
            ..self
        }
    }

    /// The traits that decide which stages run.
    pub fn traits(&self) -> RequestTraits {
        RequestTraits {
            conversion: matches!(self.mode, Mode::VoiceConversion { .. }),
            in_pieces: matches!(self.text, Text::Pieces(_)),
            streamed: self.stream.is_some(),
        }
    }

    /// Checks what can be checked without a model; [`Engine::speak`](super::Engine::speak) does so.
    ///
    /// # Errors
    /// If the speed is impossible, or does not go with streaming.
    pub fn check(&self) -> Result<()> {
        check_speed(self.speed, self.stream.is_some())
    }
}

/// Checks a speed before anything is loaded.
///
/// # Errors
/// If it is not a positive number, or other than 1 for a stream: the reference stretches whole
/// segments only.
pub fn check_speed(speed: f64, streamed: bool) -> Result<()> {
    if !(speed.is_finite() && speed > 0.0) {
        return Err(Error::input(format!(
            "impossible speed {speed}: it must be a number above 0"
        )));
    }
    if streamed && speed != 1.0 {
        return Err(Error::input(format!(
            "streaming does not support speed {speed}: use speed 1, or do not stream"
        )));
    }
    Ok(())
}

/// Checks, before a model is loaded, that a text has what the model needs. Not for a saved speaker,
/// whose transcript is not part of the request.
///
/// # Errors
/// If neither the text nor its prompt contains the end-of-prompt token.
pub fn check_end_of_prompt(mode: &Mode, text: &Text, end: &EndOfPrompt) -> Result<()> {
    let prompt = match mode {
        Mode::ZeroShot { prompt_text } => prompt_text,
        Mode::Instruct { instruct } => instruct,
        Mode::CrossLingual => "",
        Mode::VoiceConversion { .. } => return Ok(()),
    };
    let in_text = match text {
        Text::Whole(text) => text.contains(end.token),
        Text::Pieces(pieces) => pieces.concat().contains(end.token),
    };
    if in_text || prompt.contains(end.token) {
        Ok(())
    } else {
        Err(no_end_of_prompt(end))
    }
}
