//! A voice to imitate.

use candle_core::Tensor;

use super::speaker::SpeakerEncoder;
use super::speech_tokenizer::SpeechTokenizer;
use crate::Result;
use crate::audio::{Waveform, mel_spectrogram};
use crate::finite;
use crate::stage::Stage;
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
    /// Speaker embedding, `[192]`, not normalised.
    pub speaker_embedding: Tensor,
}

impl VoicePrompt {
    /// Extracts everything from a recording, untrimmed: the mel may have a frame more or less than
    /// two for each speech token. That is what voice conversion takes (CosyVoice `frontend_vc`);
    /// text to speech takes it [`aligned`](Self::aligned).
    ///
    /// `tap` receives `prompt.mel`, `prompt.whisper_mel`, `prompt.fbank` and
    /// `prompt.speaker_embedding`.
    ///
    /// # Errors
    /// If the recording is too short for a stage, longer than 30 s, or has a sample rate below
    /// 16 kHz.
    pub fn new(
        recording: &Waveform,
        tokenizer: &SpeechTokenizer,
        speaker: &SpeakerEncoder,
        tap: &mut dyn Tap,
    ) -> Result<Self> {
        let mel = mel_spectrogram(&recording.at_rate(MEL_SAMPLE_RATE)?)?;
        tap.stage(Stage::PromptMel, &mel)?;
        let speech_tokens = tokenizer.tokens_of(recording, Stage::PromptWhisperMel, tap)?;
        let speaker_embedding = speaker.embedding_of(recording, tap)?;
        Ok(Self {
            speech_tokens,
            mel,
            speaker_embedding,
        })
    }

    /// Checks that mel and speaker embedding are of finite numbers.
    ///
    /// # Errors
    /// [`Error::NotFinite`](crate::Error::NotFinite) if they are not.
    pub fn check_finite(&self) -> Result<()> {
        finite::check_given(Stage::PromptMel, &self.mel)?;
        finite::check_given(Stage::PromptSpeakerEmbedding, &self.speaker_embedding)
    }

    /// The prompt cut at its end to exactly two mel frames for each speech token (CosyVoice
    /// `frontend_zero_shot`).
    ///
    /// # Errors
    /// If the mel does not have two dimensions.
    pub fn aligned(&self) -> Result<Self> {
        let (frames, _) = self.mel.dims2()?;
        let tokens = self.speech_tokens.len().min(frames / FRAMES_PER_TOKEN);
        Ok(Self {
            speech_tokens: self.speech_tokens.iter().copied().take(tokens).collect(),
            mel: self.mel.narrow(0, 0, FRAMES_PER_TOKEN * tokens)?,
            speaker_embedding: self.speaker_embedding.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::super::speaker::PartialWindow;
    use super::super::test_networks::{counting_tokenizer, mean_encoder};
    use super::*;

    #[derive(Default)]
    struct Shapes(Vec<(String, Vec<usize>)>);

    impl Tap for Shapes {
        fn stage(&mut self, stage: Stage, value: &Tensor) -> Result<()> {
            self.0.push((stage.to_string(), value.dims().to_vec()));
            Ok(())
        }
    }

    fn prompt(tokens: usize, frames: usize) -> VoicePrompt {
        let mel = Tensor::arange(0.0, (frames * 80) as f32, &Device::Cpu).unwrap();
        VoicePrompt {
            speech_tokens: (0..tokens as u32).collect(),
            mel: mel.reshape((frames, 80)).unwrap(),
            speaker_embedding: Tensor::zeros(192, DType::F32, &Device::Cpu).unwrap(),
        }
    }

    #[test]
    fn every_stage_is_handed_to_the_tap_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let (tokenizer, speaker) = (folder.path().join("t.onnx"), folder.path().join("s.onnx"));
        std::fs::write(&tokenizer, counting_tokenizer()).unwrap();
        std::fs::write(&speaker, mean_encoder()).unwrap();
        let tokenizer = SpeechTokenizer::load(&tokenizer).unwrap();
        let speaker = SpeakerEncoder::load(&speaker, PartialWindow::Ort118).unwrap();
        let recording = Waveform {
            samples: vec![0.1; 44_100],
            sample_rate: 44_100,
        };
        let mut shapes = Shapes::default();
        let prompt = VoicePrompt::new(&recording, &tokenizer, &speaker, &mut shapes).unwrap();
        // One second: 50 mel frames, 100 of whisper's, 98 whole windows of the filterbank.
        let expected = [
            ("prompt.mel", vec![50, 80]),
            ("prompt.whisper_mel", vec![128, 100]),
            ("prompt.fbank", vec![98, 80]),
            ("prompt.speaker_embedding", vec![80]),
        ];
        assert_eq!(
            shapes.0,
            expected.map(|(stage, shape)| (stage.to_owned(), shape))
        );
        assert_eq!(prompt.speech_tokens, [100]);
        assert_eq!(prompt.mel.dims(), [50, 80]);
    }

    #[test]
    fn alignment_cuts_to_two_frames_for_each_token() {
        // Tokens, frames; tokens left.
        for (tokens, frames, left) in [(60, 119, 59), (344, 687, 343), (10, 30, 10), (5, 1, 0)] {
            let whole = prompt(tokens, frames);
            let aligned = whole.aligned().unwrap();
            assert_eq!(aligned.speech_tokens, whole.speech_tokens[..left]);
            assert_eq!(aligned.mel.dims(), [2 * left, 80]);
            if left > 0 {
                let last = |mel: &Tensor| mel.get(2 * left - 1).unwrap().to_vec1::<f32>().unwrap();
                assert_eq!(last(&aligned.mel), last(&whole.mel));
            }
        }
    }
}
