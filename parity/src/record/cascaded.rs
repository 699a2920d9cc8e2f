//! From a text and a sound file to speech, every stage fed by the one before.

use std::sync::Arc;

use native::engine::{Engine, Hop, Said, Script, SpeechStream};
use native::llm::{Stop, drop_long_silences};
use native::model_dir::SavedSpeaker;
use native::voice::VoicePrompt;

use super::inputs::Inputs;
use super::values::{Collector, ids};
use crate::array::Array;
use crate::recording::{CaseRecord, SegmentText, TextRecord};
use crate::stage::{Key, Stage};

/// Synthesises a case and keeps all that was computed on the way. With `voice`, what the prompt's
/// recording comes to, it ends at the tokens.
pub(super) fn record(
    engine: &Arc<Engine>,
    inputs: Inputs,
    voice: Option<VoicePrompt>,
) -> native::Result<CaseRecord> {
    let mut tap = Collector::default();
    let tokens_only = voice.is_some();
    let voice = match voice {
        Some(voice) => voice,
        None => engine.voice(&inputs.prompt, &mut tap)?,
    };
    tap.insert(
        Key::whole(Stage::PromptSpeechTokens),
        Array::ids(ids(&voice.speech_tokens)),
    );
    let speaker = inputs.speaker(engine, &voice)?;
    let script = inputs.script(engine, speaker.as_ref())?;
    let voice = speaker.map_or(voice, |speaker: SavedSpeaker| speaker.voice);
    let mut run = Run {
        engine,
        inputs,
        script,
        voice,
        tap,
    };
    let audio = if tokens_only {
        run.tokens()?;
        Vec::new()
    } else {
        run.speech()?
    };
    Ok(CaseRecord {
        case: run.inputs.recorded,
        text: text_record(&run.script),
        tensors: run.tap.tensors,
        noise: Default::default(),
        audio,
    })
}

struct Run<'a> {
    engine: &'a Arc<Engine>,
    inputs: Inputs,
    script: Script,
    voice: VoicePrompt,
    tap: Collector,
}

impl Run<'_> {
    fn tokens(&mut self) -> native::Result<()> {
        let voice = self.voice.aligned()?;
        for (i, segment) in self.script.segments.iter().enumerate() {
            let (mode, sampler) = (&self.inputs.request.mode, &mut self.inputs.sampler);
            let mut stream = self
                .engine
                .decode(mode, &self.script, segment, &voice, sampler)?;
            for token in &mut stream {
                token?;
            }
            let generation = stream.finish();
            let kept = drop_long_silences(&generation.tokens);
            keep_tokens(&mut self.tap, i, &generation.tokens, generation.stop, &kept);
        }
        Ok(())
    }

    /// The sound, all segments joined.
    fn speech(&mut self) -> native::Result<Vec<f32>> {
        let (request, sampler) = (&self.inputs.request, &mut self.inputs.sampler);
        let (script, voice, tap) = (&self.script, &self.voice, &mut self.tap);
        let mut spoken = Spoken::default();
        if self.inputs.recorded.case.stream {
            // As for the reference, every case begins with a fresh hop.
            let (sampler, hop) = (sampler.clone(), Hop::default());
            let stream =
                Arc::clone(self.engine).stream(request, script, voice, sampler, &hop, tap)?;
            spoken.take_stream(stream)?;
            let chunks = Array::ids(std::mem::take(&mut spoken.chunks));
            tap.insert(Key::whole(Stage::SpeechChunks), chunks);
        } else {
            let deliver = |_, segment| {
                spoken.take_segment(segment);
                Ok(())
            };
            self.engine
                .synthesize(request, script, voice, sampler, tap, deliver)?;
        }
        for (i, said) in spoken.segments.iter().enumerate() {
            match said.stop {
                Some(stop) => keep_tokens(tap, i, &said.tokens, stop, &said.kept),
                None => {
                    let tokens = Array::ids(ids(&said.tokens));
                    tap.insert(Key::whole(Stage::SourceSpeechTokens), tokens);
                }
            }
        }
        Ok(spoken.audio)
    }
}

/// What a synthesis said, segment by segment or in chunks.
#[derive(Default)]
struct Spoken {
    segments: Vec<Said>,
    audio: Vec<f32>,
    /// Samples of every chunk.
    chunks: Vec<i64>,
}

impl Spoken {
    fn take_segment(&mut self, segment: native::engine::Segment) {
        self.segments.push(segment.said);
        self.audio.extend(segment.samples);
    }

    fn take_stream(&mut self, stream: SpeechStream) -> native::Result<()> {
        for chunk in stream {
            let chunk = chunk?;
            self.chunks.push(chunk.samples.len() as i64);
            self.audio.extend(chunk.samples);
            self.segments.extend(chunk.end);
        }
        Ok(())
    }
}

fn keep_tokens(tap: &mut Collector, segment: usize, sampled: &[u32], stop: Stop, kept: &[u32]) {
    for (stage, values) in [
        (Stage::LlmTokens, ids(sampled)),
        (Stage::LlmStop, stop_mark(stop)),
        (Stage::LlmTokensKept, ids(kept)),
    ] {
        tap.insert(Key::segment(stage, segment), Array::ids(values));
    }
}

/// `llm.stop` as a recording keeps it.
pub(super) fn stop_mark(stop: Stop) -> Vec<i64> {
    vec![stop.mark().map_or(-1, i64::from)]
}

/// A script as a recording keeps it.
pub(super) fn text_record(script: &Script) -> TextRecord {
    let segment = |s: &native::engine::ScriptSegment| SegmentText {
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
