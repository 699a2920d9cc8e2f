//! From a text and a sound file to speech, every stage fed by the one before.

use std::sync::Arc;

use native::audio::Waveform;
use native::engine::{Engine, Hop, Mode, Request, Script, SpeechStream};
use native::llm::Sampler;

use super::values::{Collector, ids};
use crate::array::Array;
use crate::recording::{CaseRecord, RecordedCase, Segment, TextRecord};
use crate::stage::{Key, Stage};

/// Synthesises a request and keeps all that was computed on the way.
pub(super) fn record(
    engine: &Arc<Engine>,
    case: RecordedCase,
    request: &Request,
    prompt: &Waveform,
    sampler: Sampler,
) -> native::Result<CaseRecord> {
    let mut tap = Collector::default();
    let script = engine.script(request)?;
    let voice = engine.voice(prompt, &mut tap)?;
    tap.insert(
        Key::whole(Stage::PromptSpeechTokens),
        Array::ids(ids(&voice.speech_tokens)),
    );
    let mut spoken = Spoken::default();
    if case.case.stream {
        // As for the reference, every case begins with a fresh hop.
        let stream =
            engine
                .clone()
                .stream(request, &script, &voice, sampler, &Hop::default(), &mut tap)?;
        spoken.take_stream(stream)?;
        let chunks = Array::ids(std::mem::take(&mut spoken.chunks));
        tap.insert(Key::whole(Stage::SpeechChunks), chunks);
    } else {
        let mut sampler = sampler;
        let deliver = |_, segment| {
            spoken.take_segment(segment);
            Ok(())
        };
        engine.synthesize(request, &script, &voice, &mut sampler, &mut tap, deliver)?;
    }
    for (i, (sampled, kept)) in spoken.tokens.iter().enumerate() {
        let (sampled, kept) = (Array::ids(ids(sampled)), Array::ids(ids(kept)));
        if matches!(request.mode, Mode::VoiceConversion { .. }) {
            tap.insert(Key::whole(Stage::SourceSpeechTokens), sampled);
        } else {
            tap.insert(Key::segment(Stage::LlmTokens, i), sampled);
            tap.insert(Key::segment(Stage::LlmTokensKept, i), kept);
        }
    }
    Ok(CaseRecord {
        case,
        text: text_record(&script),
        tensors: tap.tensors,
        noise: Default::default(),
        audio: spoken.audio,
    })
}

/// What a synthesis said, segment by segment or in chunks.
#[derive(Default)]
struct Spoken {
    /// Speech tokens of every segment, as sampled and as kept.
    tokens: Vec<(Vec<u32>, Vec<u32>)>,
    audio: Vec<f32>,
    /// Samples of every chunk.
    chunks: Vec<i64>,
}

impl Spoken {
    fn take_segment(&mut self, segment: native::engine::Segment) {
        self.tokens.push((segment.tokens, segment.kept));
        self.audio.extend(segment.samples);
    }

    fn take_stream(&mut self, stream: SpeechStream) -> native::Result<()> {
        for chunk in stream {
            let chunk = chunk?;
            self.chunks.push(chunk.samples.len() as i64);
            self.audio.extend(chunk.samples);
            if let Some(end) = chunk.end {
                self.tokens.push((end.tokens, end.kept));
            }
        }
        Ok(())
    }
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
