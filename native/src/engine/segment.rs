use std::time::Instant;

use candle_core::{DType, Tensor};

use super::{Engine, StageSeconds};
use crate::flow::FlowInput;
use crate::tap::Tap;
use crate::vocoder::interpolate_mel;
use crate::voice::VoicePrompt;
use crate::{Portion, Result};

/// Turns one segment's speech tokens into sound, at once or in chunks (reference:
/// `CosyVoice3Model.token2wav`).
///
/// The flow and the vocoder run over everything known so far each time, because every frame depends
/// on those before it; what was already delivered is cut off.
pub(super) struct SegmentSynthesizer<'a> {
    engine: &'a Engine,
    voice: &'a VoicePrompt,
    /// Mel of the chunks so far, [80, frames].
    mel: Option<Tensor>,
    /// Number of samples delivered.
    delivered: usize,
    /// Time spent.
    pub(super) seconds: StageSeconds,
}

impl<'a> SegmentSynthesizer<'a> {
    /// `voice` must be [aligned](VoicePrompt::aligned), except for voice conversion.
    pub(super) fn new(engine: &'a Engine, voice: &'a VoicePrompt) -> Self {
        Self {
            engine,
            voice,
            mel: None,
            delivered: 0,
            seconds: StageSeconds::default(),
        }
    }

    /// All of a segment.
    pub(super) fn whole(
        mut self,
        tokens: &[u32],
        speed: f64,
        tap: &mut dyn Tap,
    ) -> Result<(Vec<f32>, StageSeconds)> {
        let mel = self.mel_from(tokens, 0, Portion::Final, tap)?;
        let mel = match speed {
            1.0 => mel,
            _ => interpolate_mel(&mel, speed)?,
        };
        let samples = self.vocode(&mel, Portion::Final, tap)?;
        Ok((samples, self.seconds))
    }

    /// The next chunk. `tokens` are all that are known; those before `from` belong to earlier
    /// chunks. If more tokens follow, the last few are context only.
    pub(super) fn chunk(
        &mut self,
        tokens: &[u32],
        from: usize,
        portion: Portion,
        tap: &mut dyn Tap,
    ) -> Result<Vec<f32>> {
        let fresh = self.mel_from(tokens, from, portion, tap)?;
        let mel = match self.mel.take() {
            None => fresh,
            Some(mel) => Tensor::cat(&[&mel, &fresh], 1)?,
        };
        let samples = self.vocode(&mel, portion, tap)?;
        self.mel = Some(mel);
        self.delivered += samples.len();
        Ok(samples)
    }

    /// The mel of the tokens from `from` on, without those that are context only.
    fn mel_from(
        &mut self,
        tokens: &[u32],
        from: usize,
        portion: Portion,
        tap: &mut dyn Tap,
    ) -> Result<Tensor> {
        let started = Instant::now();
        let input = FlowInput {
            tokens,
            prompt_tokens: &self.voice.speech_tokens,
            prompt_mel: &self.voice.mel,
            embedding: &self.voice.speaker_embedding,
            portion,
        };
        let mel = self.engine.flow.inference(&input, tap)?;
        let ratio = self.engine.model_dir.config().flow.token_mel_ratio;
        // A voice that is not aligned may have one frame more than its tokens account for.
        let frames = mel.dim(1)?;
        let first = (from * ratio).min(frames);
        let mel = mel.narrow(1, first, frames - first)?.contiguous()?;
        self.seconds.flow += started.elapsed().as_secs_f64();
        Ok(mel)
    }

    /// The sound of a mel, without what was delivered before.
    fn vocode(&mut self, mel: &Tensor, portion: Portion, tap: &mut dyn Tap) -> Result<Vec<f32>> {
        let started = Instant::now();
        let wave = self.engine.vocoder.inference(mel, portion, tap)?;
        let mut samples: Vec<f32> = wave.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
        samples.drain(..self.delivered.min(samples.len()));
        self.seconds.vocoder += started.elapsed().as_secs_f64();
        Ok(samples)
    }
}
