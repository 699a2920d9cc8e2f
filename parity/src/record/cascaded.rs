//! From a text and a sound file to speech, every stage fed by the one before.

use native::audio::Waveform;
use native::engine::{Engine, Mode, Request, Script};
use native::llm::Sampler;

use super::values::{Collector, ids};
use crate::array::Array;
use crate::recording::{CaseRecord, RecordedCase, Segment, TextRecord};
use crate::stage::{Key, Stage};

/// Synthesises a request and keeps all that was computed on the way.
pub(super) fn record(
    engine: &Engine,
    case: RecordedCase,
    request: &Request,
    prompt: &Waveform,
    mut sampler: Sampler,
) -> native::Result<CaseRecord> {
    let mut tap = Collector::default();
    let script = engine.script(request)?;
    let voice = engine.voice(prompt, &mut tap)?;
    tap.insert(
        Key::whole(Stage::PromptSpeechTokens),
        Array::ids(ids(&voice.speech_tokens)),
    );
    let mut segments = Vec::new();
    engine.synthesize(
        request,
        &script,
        &voice,
        &mut sampler,
        &mut tap,
        |_, segment| {
            segments.push(segment);
            Ok(())
        },
    )?;
    let mut audio = Vec::new();
    for (i, segment) in segments.into_iter().enumerate() {
        if matches!(request.mode, Mode::VoiceConversion { .. }) {
            let tokens = Array::ids(ids(&segment.tokens));
            tap.insert(Key::whole(Stage::SourceSpeechTokens), tokens);
        } else {
            let (sampled, kept) = (ids(&segment.tokens), ids(&segment.kept));
            tap.insert(Key::segment(Stage::LlmTokens, i), Array::ids(sampled));
            tap.insert(Key::segment(Stage::LlmTokensKept, i), Array::ids(kept));
        }
        audio.extend(segment.samples);
    }
    Ok(CaseRecord {
        case,
        text: text_record(&script),
        tensors: tap.tensors,
        noise: Default::default(),
        audio,
    })
}

/// A script as a recording keeps it.
pub(super) fn text_record(script: &Script) -> TextRecord {
    let segment = |s: &native::engine::ScriptSegment| Segment {
        text: s.text.clone(),
        ids: ids(&s.ids),
    };
    TextRecord {
        prompt_text: (!script.prompt_text.is_empty()).then(|| script.prompt_text.clone()),
        prompt_ids: ids(&script.prompt_ids),
        segments: script.segments.iter().map(segment).collect(),
        warnings: script.warnings.clone(),
    }
}
