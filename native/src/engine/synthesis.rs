use std::time::Instant;

use candle_core::{DType, Tensor};

use super::{Engine, Mode, Request, Script};
use crate::flow::FlowInput;
use crate::llm::{Sampler, Stop, drop_long_silences};
use crate::tap::Tap;
use crate::vocoder::interpolate_mel;
use crate::voice::VoicePrompt;
use crate::{Error, Result};

/// One synthesised segment.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Speech tokens as sampled.
    pub tokens: Vec<u32>,
    /// Speech tokens that became sound: long silences are shortened.
    pub kept: Vec<u32>,
    /// What ended the sampling; `None` where nothing was sampled.
    pub stop: Option<Stop>,
    /// The sound, 24 kHz, in [−0.99, 0.99].
    pub samples: Vec<f32>,
    /// Seconds spent in each stage.
    pub seconds: StageSeconds,
}

/// Seconds of wall-clock time per stage.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StageSeconds {
    /// The language model, sampling included.
    pub llm: f64,
    /// The flow.
    pub flow: f64,
    /// The vocoder.
    pub vocoder: f64,
}

impl Engine {
    /// Synthesises a request segment by segment, handing each to `deliver` as soon as it is done.
    ///
    /// `voice` is as [`Engine::voice`] returns it. The sampler goes through all segments, so its
    /// seed decides the whole request.
    pub fn synthesize(
        &self,
        request: &Request,
        script: &Script,
        voice: &VoicePrompt,
        sampler: &mut Sampler,
        tap: &mut dyn Tap,
        mut deliver: impl FnMut(usize, Segment) -> Result<()>,
    ) -> Result<()> {
        request.check_speed()?;
        if let Mode::VoiceConversion { source } = &request.mode {
            let tokens = self
                .speech_tokenizer
                .tokens_of(source, "source.whisper_mel", tap)?;
            tap.segment(0);
            let sound = self.speak(&tokens, voice, request.speed, tap)?;
            return deliver(0, sound.with_tokens(tokens.clone(), tokens, None, 0.0));
        }
        let voice = voice.aligned()?;
        for (index, segment) in script.segments.iter().enumerate() {
            tap.segment(index);
            let started = Instant::now();
            let mut tokens = self.decode(&request.mode, script, segment, &voice, sampler)?;
            for token in &mut tokens {
                token?;
            }
            let generation = tokens.finish();
            let llm_seconds = started.elapsed().as_secs_f64();
            let kept = drop_long_silences(&generation.tokens);
            if kept.is_empty() {
                return Err(Error::input(format!(
                    "the model had nothing to say for segment {}: {:?}",
                    index + 1,
                    segment.text
                )));
            }
            let sound = self.speak(&kept, &voice, request.speed, tap)?;
            let stop = Some(generation.stop);
            deliver(
                index,
                sound.with_tokens(generation.tokens, kept, stop, llm_seconds),
            )?;
        }
        Ok(())
    }

    /// Flow and vocoder: speech tokens to sound, in a voice.
    fn speak(
        &self,
        tokens: &[u32],
        voice: &VoicePrompt,
        speed: f64,
        tap: &mut dyn Tap,
    ) -> Result<Sound> {
        let started = Instant::now();
        let input = FlowInput {
            tokens,
            prompt_tokens: &voice.speech_tokens,
            prompt_mel: &voice.mel,
            embedding: &voice.speaker_embedding,
            streaming: false,
            finalize: true,
        };
        let mut mel = self.flow.inference(&input, tap)?;
        if speed != 1.0 {
            mel = interpolate_mel(&mel, speed)?;
        }
        let flow = started.elapsed().as_secs_f64();
        let started = Instant::now();
        let samples = to_samples(&self.vocoder.inference(&mel, true, tap)?)?;
        let vocoder = started.elapsed().as_secs_f64();
        Ok(Sound {
            samples,
            flow,
            vocoder,
        })
    }
}

/// What the flow and the vocoder made, and how long each took.
struct Sound {
    samples: Vec<f32>,
    flow: f64,
    vocoder: f64,
}

impl Sound {
    fn with_tokens(
        self,
        tokens: Vec<u32>,
        kept: Vec<u32>,
        stop: Option<Stop>,
        llm: f64,
    ) -> Segment {
        let seconds = StageSeconds {
            llm,
            flow: self.flow,
            vocoder: self.vocoder,
        };
        Segment {
            tokens,
            kept,
            stop,
            samples: self.samples,
            seconds,
        }
    }
}

fn to_samples(wav: &Tensor) -> Result<Vec<f32>> {
    Ok(wav.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
}
