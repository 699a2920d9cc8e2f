//! From a text and a sound file to speech, every stage fed by the one before.

use native::engine::{Engine, Request, Script, SegmentInfo, Speech, StageSeconds};
use native::voice::VoicePrompt;

use super::inputs::Inputs;
use super::values::{Collector, text_record};
use crate::array::Array;
use crate::recording::CaseRecord;
use crate::stage::{Key, Stage};

/// Synthesises a case and keeps everything that was computed on the way. With `shared_voice`, which
/// was extracted from the prompt's recording before, it ends at the tokens.
pub(super) fn record(
    engine: &Engine,
    inputs: Inputs,
    shared_voice: Option<VoicePrompt>,
) -> native::Result<CaseRecord> {
    let mut tap = Collector::default();
    let tokens_only = shared_voice.is_some();
    let voice = match shared_voice {
        Some(voice) => voice,
        None => engine.voice_with(&inputs.prompt, &mut tap)?,
    };
    tap.insert_tokens(Key::whole(Stage::PromptSpeechTokens), &voice.speech_tokens);
    let request = inputs.request(engine, voice)?;
    let script = inputs.script(engine, request.voice.saved())?;
    let audio = if tokens_only {
        sample(engine, &request, &script, &mut tap)?;
        Vec::new()
    } else {
        speak(engine, &request, &script, &mut tap)?
    };
    Ok(CaseRecord {
        case: inputs.recorded,
        text: text_record(&script),
        tensors: tap.tensors,
        noise: Default::default(),
        audio,
        unrecorded: Default::default(),
    })
}

/// The tokens of every segment.
fn sample(
    engine: &Engine,
    request: &Request,
    script: &Script,
    tap: &mut Collector,
) -> native::Result<()> {
    let voice = request.voice.prompt().aligned()?;
    let mut sampler = engine.sampler(request.sampling);
    for (i, segment) in script.segments.iter().enumerate() {
        let mut stream = engine.decode(&request.mode, script, segment, &voice, &mut sampler)?;
        for token in &mut stream {
            token?;
        }
        let generation = stream.finish();
        let info = SegmentInfo {
            kept: engine.llm().config().drop_long_silences(&generation.tokens),
            tokens: generation.tokens,
            stop: Some(generation.stop),
            seconds: StageSeconds::default(),
        };
        tap.insert_segment(i, &info);
    }
    Ok(())
}

/// The sound, all segments joined.
fn speak(
    engine: &Engine,
    request: &Request,
    script: &Script,
    tap: &mut Collector,
) -> native::Result<Vec<f32>> {
    let mut speech = Speech::default();
    if request.stream.is_some() {
        for chunk in engine.speak_script(request, script, tap)? {
            speech.push(chunk?);
        }
        let chunks = speech.chunk_lengths.iter().map(|&length| length as i64);
        tap.insert(
            Key::whole(Stage::SpeechChunks),
            Array::ids(chunks.collect()),
        );
    } else {
        engine.synthesize(request, script, tap, |chunk| {
            speech.push(chunk);
            Ok(())
        })?;
    }
    for (i, info) in speech.segments.iter().enumerate() {
        tap.insert_segment(i, info);
    }
    Ok(speech.samples)
}
