//! How long the native engine's stages take, by the names that the reference's are timed under.

use std::collections::BTreeMap;
use std::time::Instant;

use native::audio::{kaldi_fbank, mel_spectrogram, whisper_log_mel};
use native::engine::Engine;
use native::tap::NoTap;
use native::voice::VoicePrompt;
use serde::{Deserialize, Serialize};

use super::inputs::Inputs;

/// Seconds by part, and the speech tokens of every segment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    /// Seconds of wall-clock time by part of the work.
    pub seconds: BTreeMap<String, f64>,
    /// Speech tokens as sampled.
    pub tokens: Vec<Vec<i64>>,
    /// Operations of the flow's linear layers, where they are known.
    pub flow_operations: Option<u64>,
}

impl Timing {
    fn of<T>(&mut self, part: &str, work: impl FnOnce() -> native::Result<T>) -> native::Result<T> {
        let started = Instant::now();
        let result = work();
        *self.seconds.entry(part.into()).or_default() += started.elapsed().as_secs_f64();
        result
    }
}

/// Synthesises a request that has a text, part by part.
pub(super) fn measure(engine: &Engine, inputs: Inputs) -> native::Result<Timing> {
    let mut timing = Timing::default();
    let begin = Instant::now();
    let script = timing.of("text", || inputs.script(engine, None))?;
    let prompt = &inputs.prompt;
    let (mel, whisper, fbank) = timing.of("prompt features", || {
        let wav_16k = prompt.resampled(16_000)?;
        let mel = mel_spectrogram(&prompt.resampled(Engine::SAMPLE_RATE)?)?;
        Ok((mel, whisper_log_mel(&wav_16k)?, kaldi_fbank(&wav_16k)?))
    })?;
    let voice = VoicePrompt {
        speech_tokens: timing.of("speech tokenizer", || {
            engine.speech_tokenizer().tokens(&whisper)
        })?,
        speaker_embedding: timing.of("speaker embedding", || {
            engine.speaker_encoder().embedding(&fbank)
        })?,
        mel,
    };
    let prompt_tokens = voice.speech_tokens.len();
    let request = inputs.request(engine, voice.clone())?;
    let mut segments = Vec::new();
    engine.synthesize(&request, &script, &mut NoTap, |chunk| {
        segments.extend(chunk.end);
        Ok(())
    })?;
    let whole = begin.elapsed().as_secs_f64();
    timing.seconds.insert("end to end".into(), whole);
    let ratio = engine.model_dir().config().flow.token_mel_ratio;
    let kept = segments
        .iter()
        .map(|segment| prompt_tokens + segment.kept.len());
    let operations = kept.map(|tokens| engine.flow().operations(tokens * ratio));
    timing.flow_operations = Some(operations.sum());
    // Once more, as the synthesis above does not stop where the prompt is read.
    let aligned = voice.aligned()?;
    for segment in &script.segments {
        let prompt = engine.lm_prompt(&request.mode, &script, segment, &aligned);
        timing.of("of it the prefill", || {
            engine.llm().steps(&prompt)?.logits()
        })?;
    }
    for segment in segments {
        let seconds = segment.seconds;
        for (part, spent) in [
            ("language model", seconds.llm),
            ("flow", seconds.flow),
            ("vocoder", seconds.vocoder),
        ] {
            *timing.seconds.entry(part.into()).or_default() += spent;
        }
        timing.tokens.push(super::values::ids(&segment.tokens));
    }
    Ok(timing)
}
