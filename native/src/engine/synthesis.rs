use std::time::Instant;

use super::speaking::Speaking;
use super::{Engine, Mode, Request, Script, ScriptSegment};
use crate::llm::{Sampler, Stop, drop_long_silences};
use crate::tap::Tap;
use crate::voice::VoicePrompt;
use crate::{Error, Result};

/// One synthesised segment.
#[derive(Clone, Debug)]
pub struct Segment {
    /// What it came from.
    pub said: Said,
    /// The sound, 24 kHz, in [−0.99, 0.99].
    pub samples: Vec<f32>,
}

/// What was said in a segment.
#[derive(Clone, Debug)]
pub struct Said {
    /// Speech tokens as sampled.
    pub tokens: Vec<u32>,
    /// Speech tokens that became sound: long silences are shortened.
    pub kept: Vec<u32>,
    /// What ended the sampling; `None` where nothing was sampled.
    pub stop: Option<Stop>,
    /// Seconds spent in each stage. Where the sound is streamed, the language model and the
    /// others work at the same time.
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
    /// seed decides the whole request. [`Engine::stream`] delivers sooner, in chunks.
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
            let (samples, seconds) =
                Speaking::new(self, voice).whole(&tokens, request.speed, tap)?;
            let said = Said {
                kept: tokens.clone(),
                tokens,
                stop: None,
                seconds,
            };
            return deliver(0, Segment { said, samples });
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
            let llm = started.elapsed().as_secs_f64();
            let kept = drop_long_silences(&generation.tokens);
            if kept.is_empty() {
                return Err(nothing_to_say(index, segment));
            }
            let (samples, seconds) =
                Speaking::new(self, &voice).whole(&kept, request.speed, tap)?;
            let said = Said {
                tokens: generation.tokens,
                kept,
                stop: Some(generation.stop),
                seconds: StageSeconds { llm, ..seconds },
            };
            deliver(index, Segment { said, samples })?;
        }
        Ok(())
    }
}

/// The language model ended a segment before its first token.
pub(super) fn nothing_to_say(index: usize, segment: &ScriptSegment) -> Error {
    Error::input(format!(
        "the model had nothing to say for segment {}: {:?}",
        index + 1,
        segment.text
    ))
}
