use std::time::Instant;

use candle_core::{DType, Tensor};

use super::{Engine, StageSeconds};
use crate::Result;
use crate::flow::FlowInput;
use crate::tap::Tap;
use crate::vocoder::interpolate_mel;
use crate::voice::VoicePrompt;

/// One segment on its way from speech tokens to sound, at once or in chunks (reference:
/// `CosyVoice3Model.token2wav`).
///
/// The flow and the vocoder run over all there is each time, for every frame depends on those
/// before it; what was delivered before is cut off.
pub(super) struct Speaking<'a> {
    engine: &'a Engine,
    voice: &'a VoicePrompt,
    /// Mel of the chunks so far, [80, frames].
    mel: Option<Tensor>,
    /// Samples delivered.
    delivered: usize,
    /// Time spent.
    pub(super) seconds: StageSeconds,
}

impl<'a> Speaking<'a> {
    /// `voice` as the mode wants it: [`VoicePrompt::aligned`], or not for voice conversion.
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
        let mel = self.mel_of(tokens, 0, true, tap)?;
        let mel = match speed {
            1.0 => mel,
            _ => interpolate_mel(&mel, speed)?,
        };
        let samples = self.sound_of(&mel, true, tap)?;
        Ok((samples, self.seconds))
    }

    /// The next chunk: of `tokens`, all that are known, those before `from` are in earlier chunks.
    /// Unless this is the last chunk, the last few tokens are context only.
    pub(super) fn chunk(
        &mut self,
        tokens: &[u32],
        from: usize,
        last: bool,
        tap: &mut dyn Tap,
    ) -> Result<Vec<f32>> {
        let fresh = self.mel_of(tokens, from, last, tap)?;
        let mel = match self.mel.take() {
            None => fresh,
            Some(mel) => Tensor::cat(&[&mel, &fresh], 1)?,
        };
        let samples = self.sound_of(&mel, last, tap)?;
        self.mel = Some(mel);
        self.delivered += samples.len();
        Ok(samples)
    }

    /// The mel of tokens `from..`, but of those that are context only.
    fn mel_of(
        &mut self,
        tokens: &[u32],
        from: usize,
        last: bool,
        tap: &mut dyn Tap,
    ) -> Result<Tensor> {
        let started = Instant::now();
        let input = FlowInput {
            tokens,
            prompt_tokens: &self.voice.speech_tokens,
            prompt_mel: &self.voice.mel,
            embedding: &self.voice.speaker_embedding,
            // The reference ends a stream with the mask of a synthesis that is none.
            streaming: !last,
            finalize: last,
        };
        let mel = self.engine.flow.inference(&input, tap)?;
        let ratio = self.engine.model_dir.config().flow.token_mel_ratio;
        // A voice that is not aligned may have a frame more than its tokens account for.
        let frames = mel.dim(1)?;
        let first = (from * ratio).min(frames);
        let mel = mel.narrow(1, first, frames - first)?.contiguous()?;
        self.seconds.flow += started.elapsed().as_secs_f64();
        Ok(mel)
    }

    /// The sound of a mel, but for what was delivered before.
    fn sound_of(&mut self, mel: &Tensor, last: bool, tap: &mut dyn Tap) -> Result<Vec<f32>> {
        let started = Instant::now();
        let wave = self.engine.vocoder.inference(mel, last, tap)?;
        let mut samples: Vec<f32> = wave.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
        samples.drain(..self.delivered.min(samples.len()));
        self.seconds.vocoder += started.elapsed().as_secs_f64();
        Ok(samples)
    }
}
