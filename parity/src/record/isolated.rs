//! Every stage alone, fed with what the golden says it was fed in the reference.

use candle_core::{Device, IndexOp, Tensor};
use native::audio::Waveform;
use native::engine::{Engine, Mode, Request, Script, ScriptSegment};
use native::flow::FlowInput;
use native::llm::{Generation, Sampler, TokenStream, drop_long_silences};
use native::tap::NoTap;
use native::voice::VoicePrompt;

use super::cascaded::{stop_mark, text_record};
use super::inputs::Inputs;
use super::values::{Collector, array, ids, tensor, tokens};
use crate::array::Array;
use crate::recording::{CaseRecord, DRAW_TAP, MISMATCH_TAP, SegmentText, TextRecord};
use crate::stage::{FLOW_STEPS, Key, Stage};

/// Runs every stage that the golden has inputs for. With `voice`, what the prompt's recording
/// comes to, it ends at the tokens.
pub(super) fn record(
    engine: &Engine,
    inputs: Inputs,
    voice: Option<VoicePrompt>,
    golden: &CaseRecord,
) -> native::Result<CaseRecord> {
    let tokens_only = voice.is_some();
    let mut run = Run {
        engine,
        golden,
        voice,
        out: Collector::default(),
    };
    let text = run.text(&inputs)?;
    run.prompt(&inputs.prompt)?;
    let request = &inputs.request;
    if let Mode::VoiceConversion { source } = &request.mode {
        run.source(source)?;
    } else {
        run.language_model(request, inputs.sampler)?;
    }
    if !inputs.recorded.case.stream && !tokens_only {
        for segment in 0..golden.segments() {
            run.flow(request, segment)?;
            run.vocoder(segment)?;
        }
    }
    let tensors = run.out.tensors;
    Ok(CaseRecord {
        case: inputs.recorded,
        text,
        tensors,
        noise: Default::default(),
        audio: Vec::new(),
    })
}

/// The native engine, a golden to feed it from, and what it hands out.
pub(super) struct Run<'a> {
    pub(super) engine: &'a Engine,
    pub(super) golden: &'a CaseRecord,
    /// The voice as this engine has it, for a golden that has only the tokens of it.
    pub(super) voice: Option<VoicePrompt>,
    pub(super) out: Collector,
}

impl Run<'_> {
    /// Texts from the case's text; ids from the golden's normalised texts.
    fn text(&self, inputs: &Inputs) -> native::Result<TextRecord> {
        if matches!(inputs.request.mode, Mode::VoiceConversion { .. }) {
            return Ok(TextRecord::default());
        }
        let encode = |text: &str| self.engine.frontend.ids(text).map(|t| ids(&t));
        let reference = &self.golden.text;
        let script = inputs.script(self.engine, None)?;
        let prompt_ids = reference.prompt_text.as_deref().map(encode).transpose()?;
        let mut text = text_record(&script);
        text.prompt_ids = prompt_ids.unwrap_or_default();
        // Pieces are not normalised, and each has been tokenised on its own.
        if inputs.case().pieces.is_empty() {
            let segments = text.segments.len().max(reference.segments.len());
            text.segments.resize_with(segments, SegmentText::default);
            for (i, segment) in text.segments.iter_mut().enumerate() {
                let normalized = reference.segments.get(i).map(|s| encode(&s.text));
                segment.ids = normalized.transpose()?.unwrap_or_default();
            }
        }
        Ok(text)
    }

    /// The features are fed from the sound file, and so is what follows them where the golden does
    /// not keep them.
    fn prompt(&mut self, prompt: &Waveform) -> native::Result<()> {
        if let Some(voice) = &self.voice {
            let speech_tokens = voice.speech_tokens.clone();
            self.keep_tokens(Key::whole(Stage::PromptSpeechTokens), Some(speech_tokens));
            return Ok(());
        }
        let heard = self.engine.voice(prompt, &mut self.out)?;
        let speech_tokens = match self.read(Stage::PromptWhisperMel, &Device::Cpu)? {
            Some(mel) => self.engine.speech_tokenizer.tokens(&mel)?,
            None => heard.speech_tokens,
        };
        self.keep_tokens(Key::whole(Stage::PromptSpeechTokens), Some(speech_tokens));
        let embedding = match self.read(Stage::PromptFbank, &Device::Cpu)? {
            Some(fbank) => self.engine.speaker.embedding(&fbank)?,
            None => heard.speaker_embedding,
        };
        self.keep(Key::whole(Stage::PromptSpeakerEmbedding), Some(embedding))
    }

    fn source(&mut self, source: &Waveform) -> native::Result<()> {
        let heard =
            self.engine
                .speech_tokenizer
                .tokens_of(source, "source.whisper_mel", &mut self.out)?;
        let speech_tokens = match self.read(Stage::SourceWhisperMel, &Device::Cpu)? {
            Some(mel) => self.engine.speech_tokenizer.tokens(&mel)?,
            None => heard,
        };
        self.keep_tokens(Key::whole(Stage::SourceSpeechTokens), Some(speech_tokens));
        Ok(())
    }

    fn language_model(&mut self, request: &Request, mut sampler: Sampler) -> native::Result<()> {
        let script = self.golden_script()?;
        let Some(voice) = self.golden_voice()? else {
            return Ok(());
        };
        let voice = voice.aligned()?;
        for (i, segment) in script.segments.iter().enumerate() {
            let sampled = self.tokens(Key::segment(Stage::LlmTokens, i))?;
            let rows = self
                .golden
                .tensors
                .get(&Key::segment(Stage::LlmLogitRows, i));
            if let (Some(sampled), Some(rows)) = (&sampled, rows.and_then(Array::as_i64)) {
                let prompt = self
                    .engine
                    .lm_prompt(&request.mode, &script, segment, &voice);
                let logits = self.engine.llm.teacher_forced_logits(&prompt, sampled)?;
                let at = Tensor::new(rows, logits.device())?;
                let kept = logits.index_select(&at, 0)?;
                self.keep(Key::segment(Stage::LlmLogits, i), Some(kept))?;
                let rows = Array::ids(rows.to_vec());
                self.out.insert(Key::segment(Stage::LlmLogitRows, i), rows);
            }
            let engine = self.engine;
            let stream = engine.decode(&request.mode, &script, segment, &voice, &mut sampler)?;
            let generation = self.sample(stream, i, sampled.as_deref())?;
            let stop = stop_mark(generation.stop);
            self.out
                .insert(Key::segment(Stage::LlmStop, i), Array::ids(stop));
            self.keep_tokens(Key::segment(Stage::LlmTokens, i), Some(generation.tokens));
            let kept = sampled.map(|t| drop_long_silences(&t));
            self.keep_tokens(Key::segment(Stage::LlmTokensKept, i), kept);
        }
        Ok(())
    }

    /// Samples a segment, and notes how the first token was drawn that is not the golden's.
    fn sample(
        &mut self,
        mut stream: TokenStream<'_>,
        segment: usize,
        golden: Option<&[u32]>,
    ) -> native::Result<Generation> {
        let stop_key = Key::segment(Stage::LlmStop, segment);
        let golden_stop = self.golden.tensors.get(&stop_key).and_then(Array::as_i64);
        let mut parted = golden.is_none();
        loop {
            let at = stream.tokens().len();
            let token = stream.next().transpose()?;
            let wanted = golden.and_then(|tokens| tokens.get(at)).copied();
            let stopped_alike = stream
                .stop()
                .is_some_and(|stop| golden_stop.is_none_or(|golden| golden == stop_mark(stop)));
            if !parted && (token != wanted || (token.is_none() && !stopped_alike)) {
                parted = true;
                self.note_draw(&stream, segment)?;
            }
            if token.is_none() {
                return Ok(stream.finish());
            }
        }
    }

    fn note_draw(&mut self, stream: &TokenStream<'_>, segment: usize) -> native::Result<()> {
        let logits = stream.logits();
        let row = Array::f32([1, logits.len()], logits.to_vec()).map_err(native::Error::input)?;
        let key = Key::segment(Stage::LlmLogits, segment).tap(MISMATCH_TAP);
        self.out.insert(key, row);
        if let Some(draw) = stream.last_draw() {
            let values = vec![
                draw.from_nucleus as f32,
                draw.nucleus_len as f32,
                draw.nucleus_lead,
                draw.order_gap,
                draw.size_gap,
                draw.vocabulary_lead.unwrap_or(f32::NAN),
            ];
            let draw = Array::f32([values.len()], values).map_err(native::Error::input)?;
            let key = Key::segment(Stage::LlmTokens, segment).tap(DRAW_TAP);
            self.out.insert(key, draw);
        }
        Ok(())
    }

    fn flow(&mut self, request: &Request, segment: usize) -> native::Result<()> {
        let flow = &self.engine.flow;
        let key = |stage| Key::segment(stage, segment);
        let vc = matches!(request.mode, Mode::VoiceConversion { .. });
        let speech = if vc {
            self.tokens(Key::whole(Stage::SourceSpeechTokens))?
        } else {
            self.tokens(key(Stage::LlmTokensKept))?
        };
        let (Some(voice), Some(speech)) = (self.golden_voice()?, speech) else {
            return Ok(());
        };
        let voice = if vc { voice } else { voice.aligned()? };
        let device = self.engine.device.clone();

        let input = FlowInput {
            tokens: &speech,
            prompt_tokens: &voice.speech_tokens,
            prompt_mel: &voice.mel,
            embedding: &voice.speaker_embedding,
            streaming: false,
            finalize: true,
        };
        let mel = flow.inference(&input, &mut NoTap)?;
        self.keep(key(Stage::FlowMel), Some(mel))?;

        let all: Vec<u32> = voice.speech_tokens.iter().chain(&speech).copied().collect();
        let mu = flow.mu(&all, true)?;
        self.keep(key(Stage::FlowMu), Some(mu))?;

        let Some(mu) = self.read_key(&key(Stage::FlowMu), &device)? else {
            return Ok(());
        };
        let speaker = flow.speaker(&voice.speaker_embedding)?;
        let conditioning = flow.condition(&mu, &speaker, &voice.mel, false)?;
        for step in 1..=FLOW_STEPS {
            let before = match step {
                1 => Some(flow.noise(conditioning.frames())?),
                _ => self.read_key(&key(Stage::FlowStep(step - 1)), &device)?,
            };
            if let Some(before) = before {
                let after = flow.step(usize::from(step), &before, &conditioning)?;
                self.keep(key(Stage::FlowStep(step)), Some(after))?;
            }
        }
        Ok(())
    }

    fn vocoder(&mut self, segment: usize) -> native::Result<()> {
        let vocoder = &self.engine.vocoder;
        let key = |stage| Key::segment(stage, segment);
        let device = self.engine.device.clone();
        let Some(mel) = self.read_key(&key(Stage::FlowMel), &device)? else {
            return Ok(());
        };
        let mel = native::vocoder::interpolate_mel(&mel, self.golden.case.case.speed)?;
        let f0 = vocoder.f0(&mel, true)?;
        self.keep(key(Stage::VocoderF0), Some(f0))?;
        if let Some(f0) = self.read_key(&key(Stage::VocoderF0), &device)? {
            let source = vocoder.source(&f0)?;
            self.keep(key(Stage::VocoderSource), Some(source))?;
        }
        if let Some(source) = self.read_key(&key(Stage::VocoderSource), &device)? {
            let wav = vocoder.decode(&mel, &source, true)?;
            self.keep(key(Stage::VocoderWav), Some(wav))?;
        }
        Ok(())
    }

    /// The text stage as the golden has it.
    pub(super) fn golden_script(&self) -> native::Result<Script> {
        let text = &self.golden.text;
        let segments = text
            .segments
            .iter()
            .map(|s| {
                Ok(ScriptSegment {
                    text: s.text.clone(),
                    ids: tokens(&s.ids)?,
                })
            })
            .collect::<native::Result<_>>()?;
        Ok(Script {
            prompt_text: text.prompt_text.clone().unwrap_or_default(),
            prompt_ids: tokens(&text.prompt_ids)?,
            segments,
            arrives: !self.golden.case.case.pieces.is_empty(),
            warnings: Vec::new(),
        })
    }

    /// The voice as the golden has it, untrimmed. Where the golden keeps only tokens, mel and
    /// embedding are this engine's own, and serve only to trim the tokens.
    pub(super) fn golden_voice(&self) -> native::Result<Option<VoicePrompt>> {
        let Some(speech_tokens) = self.tokens(Key::whole(Stage::PromptSpeechTokens))? else {
            return Ok(None);
        };
        if let Some(voice) = &self.voice {
            return Ok(Some(VoicePrompt {
                speech_tokens,
                ..voice.clone()
            }));
        }
        let mel = self.read(Stage::PromptMel, &Device::Cpu)?;
        let embedding = self.read(Stage::PromptSpeakerEmbedding, &Device::Cpu)?;
        Ok(match (mel, embedding) {
            (Some(mel), Some(speaker_embedding)) => Some(VoicePrompt {
                speech_tokens,
                mel,
                speaker_embedding: speaker_embedding.i(..)?,
            }),
            _ => None,
        })
    }

    fn read(&self, stage: Stage, device: &Device) -> native::Result<Option<Tensor>> {
        self.read_key(&Key::whole(stage), device)
    }

    pub(super) fn read_key(&self, key: &Key, device: &Device) -> native::Result<Option<Tensor>> {
        self.golden
            .tensors
            .get(key)
            .map(|a| tensor(a, device))
            .transpose()
    }

    pub(super) fn tokens(&self, key: Key) -> native::Result<Option<Vec<u32>>> {
        self.golden
            .tensors
            .get(&key)
            .and_then(Array::as_i64)
            .map(tokens)
            .transpose()
    }

    pub(super) fn keep(&mut self, key: Key, value: Option<Tensor>) -> native::Result<()> {
        if let Some(value) = value {
            self.out.insert(key, array(&value)?);
        }
        Ok(())
    }

    fn keep_tokens(&mut self, key: Key, value: Option<Vec<u32>>) {
        if let Some(value) = value {
            self.out.insert(key, Array::ids(ids(&value)));
        }
    }
}
