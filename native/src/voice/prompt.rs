//! A voice to imitate.

use candle_core::Tensor;

use super::speaker::SpeakerEncoder;
use super::speech_tokenizer::SpeechTokenizer;
use crate::Result;
use crate::audio::{Waveform, mel_spectrogram};
use crate::tap::Tap;

const MEL_SAMPLE_RATE: u32 = 24_000;
/// Mel frames a speech token spans: 50 frames and 25 tokens a second.
const FRAMES_PER_TOKEN: usize = 2;

/// What the model needs to know of a voice, from a recording of it.
#[derive(Clone, Debug)]
pub struct VoicePrompt {
    /// Speech tokens, 25 a second.
    pub speech_tokens: Vec<u32>,
    /// Log-mel spectrogram, [frames, 80], 50 frames a second, as
    /// [`mel_spectrogram`] gives it.
    pub mel: Tensor,
    /// Speaker embedding, [192], not normalised.
    pub speaker_embedding: Tensor,
}

impl VoicePrompt {
    /// Extracts everything from a recording, untrimmed: mel and speech tokens may differ by a
    /// frame from two to one. That is what voice conversion takes (CosyVoice `frontend_vc`);
    /// text to speech takes it [`aligned`](Self::aligned).
    ///
    /// `tap` receives `prompt.mel`, `prompt.whisper_mel`, `prompt.fbank` and
    /// `prompt.speaker_embedding`. An error for recordings that are too short for a stage, longer
    /// than 30 s, or of a sample rate below 16 kHz.
    pub fn new(
        recording: &Waveform,
        tokenizer: &SpeechTokenizer,
        speaker: &SpeakerEncoder,
        tap: &mut dyn Tap,
    ) -> Result<Self> {
        let mel = mel_spectrogram(&recording.at_rate(MEL_SAMPLE_RATE)?)?;
        tap.tensor("prompt.mel", &mel)?;
        let speech_tokens = tokenizer.tokens_of(recording, "prompt.whisper_mel", tap)?;
        let speaker_embedding = speaker.embedding_of(recording, tap)?;
        Ok(Self {
            speech_tokens,
            mel,
            speaker_embedding,
        })
    }

    /// The prompt cut at its end to exactly two mel frames for each speech token (CosyVoice
    /// `frontend_zero_shot`).
    pub fn aligned(&self) -> Result<Self> {
        let (frames, _) = self.mel.dims2()?;
        let tokens = self.speech_tokens.len().min(frames / FRAMES_PER_TOKEN);
        Ok(Self {
            speech_tokens: self.speech_tokens[..tokens].to_vec(),
            mel: self.mel.narrow(0, 0, FRAMES_PER_TOKEN * tokens)?,
            speaker_embedding: self.speaker_embedding.clone(),
        })
    }
}
