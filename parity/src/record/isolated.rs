//! Every stage alone, fed with what the golden says it was fed in the reference.

use candle_core::{Device, IndexOp, Tensor};
use native::audio::Waveform;
use native::engine::{Engine, Mode, Request, Script, ScriptSegment};
use native::flow::FlowInput;
use native::llm::{LmPrompt, Sampler, drop_long_silences};
use native::tap::NoTap;
use native::voice::VoicePrompt;

use super::values::{Collector, array, ids, tensor, tokens};
use crate::array::Array;
use crate::recording::{CaseRecord, RecordedCase, Segment, TextRecord};
use crate::stage::{FLOW_STEPS, Key, Stage};

/// Runs every stage that the golden has inputs for.
pub(super) fn record(
    engine: &Engine,
    case: RecordedCase,
    request: &Request,
    prompt: &Waveform,
    sampler: Sampler,
    golden: &CaseRecord,
) -> native::Result<CaseRecord> {
    let mut run = Run {
        engine,
        golden,
        out: Collector::default(),
    };
    let text = run.text(request)?;
    run.prompt(prompt)?;
    if let Mode::VoiceConversion { source } = &request.mode {
        run.source(source)?;
    } else {
        run.language_model(request, sampler)?;
    }
    if !case.case.stream {
        for segment in 0..golden.segments() {
            run.flow(request, segment)?;
            run.vocoder(segment)?;
        }
    }
    let tensors = run.out.tensors;
    Ok(CaseRecord {
        case,
        text,
        tensors,
        noise: Default::default(),
        audio: Vec::new(),
    })
}

struct Run<'a> {
    engine: &'a Engine,
    golden: &'a CaseRecord,
    out: Collector,
}

impl Run<'_> {
    /// Texts from the case's text; ids from the golden's normalised texts.
    fn text(&self, request: &Request) -> native::Result<TextRecord> {
        if matches!(request.mode, Mode::VoiceConversion { .. }) {
            return Ok(TextRecord::default());
        }
        let script = self.engine.script(request)?;
        let encode = |text: &str| self.engine.frontend.ids(text).map(|t| ids(&t));
        let reference = &self.golden.text;
        let segments = (0..script.segments.len().max(reference.segments.len()))
            .map(|i| {
                let text = script
                    .segments
                    .get(i)
                    .map(|s| s.text.clone())
                    .unwrap_or_default();
                let ids = reference
                    .segments
                    .get(i)
                    .map(|s| encode(&s.text))
                    .transpose()?;
                Ok(Segment {
                    text,
                    ids: ids.unwrap_or_default(),
                })
            })
            .collect::<native::Result<_>>()?;
        let prompt_ids = reference.prompt_text.as_deref().map(encode).transpose()?;
        Ok(TextRecord {
            prompt_text: (!script.prompt_text.is_empty()).then_some(script.prompt_text),
            prompt_ids: prompt_ids.unwrap_or_default(),
            segments,
            warnings: script.warnings,
        })
    }

    /// The features are fed from the sound file, and so is what follows them where the golden does
    /// not keep them.
    fn prompt(&mut self, prompt: &Waveform) -> native::Result<()> {
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
        let voice = self.golden_voice()?.map(|v| v.aligned()).transpose()?;
        for (i, segment) in script.segments.iter().enumerate() {
            let prompt = match &voice {
                Some(voice) => self
                    .engine
                    .lm_prompt(&request.mode, &script, segment, voice),
                // A golden that keeps only tokens has no mel to align them with.
                None => self.prompt_without_mel(request, &script, segment)?,
            };
            let sampled = self.tokens(Key::segment(Stage::LlmTokens, i))?;
            let rows = self
                .golden
                .tensors
                .get(&Key::segment(Stage::LlmLogitRows, i));
            if let (Some(sampled), Some(rows)) = (&sampled, rows.and_then(Array::as_i64)) {
                let logits = self.engine.llm.teacher_forced_logits(&prompt, sampled)?;
                let at = Tensor::new(rows, logits.device())?;
                let kept = logits.index_select(&at, 0)?;
                self.keep(Key::segment(Stage::LlmLogits, i), Some(kept))?;
                let rows = Array::ids(rows.to_vec());
                self.out.insert(Key::segment(Stage::LlmLogitRows, i), rows);
            }
            let generation = self
                .engine
                .llm
                .generate(&prompt, &mut sampler, &mut NoTap)?;
            self.keep_tokens(Key::segment(Stage::LlmTokens, i), Some(generation.tokens));
            let kept = sampled.map(|t| drop_long_silences(&t));
            self.keep_tokens(Key::segment(Stage::LlmTokensKept, i), kept);
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
    fn golden_script(&self) -> native::Result<Script> {
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
            warnings: Vec::new(),
        })
    }

    /// The voice as the golden has it, untrimmed; `None` where it keeps only tokens.
    fn golden_voice(&self) -> native::Result<Option<VoicePrompt>> {
        let speech_tokens = self.tokens(Key::whole(Stage::PromptSpeechTokens))?;
        let mel = self.read(Stage::PromptMel, &Device::Cpu)?;
        let embedding = self.read(Stage::PromptSpeakerEmbedding, &Device::Cpu)?;
        Ok(match (speech_tokens, mel, embedding) {
            (Some(speech_tokens), Some(mel), Some(speaker_embedding)) => Some(VoicePrompt {
                speech_tokens,
                mel,
                speaker_embedding: speaker_embedding.i(..)?,
            }),
            _ => None,
        })
    }

    fn prompt_without_mel(
        &self,
        request: &Request,
        script: &Script,
        segment: &ScriptSegment,
    ) -> native::Result<LmPrompt> {
        let speech = self
            .tokens(Key::whole(Stage::PromptSpeechTokens))?
            .unwrap_or_default();
        Ok(LmPrompt {
            prompt_text_ids: script.prompt_ids.clone(),
            text_ids: segment.ids.clone(),
            prompt_speech_tokens: match request.mode {
                Mode::ZeroShot { .. } => speech,
                _ => Vec::new(),
            },
        })
    }

    fn read(&self, stage: Stage, device: &Device) -> native::Result<Option<Tensor>> {
        self.read_key(&Key::whole(stage), device)
    }

    fn read_key(&self, key: &Key, device: &Device) -> native::Result<Option<Tensor>> {
        self.golden
            .tensors
            .get(key)
            .map(|a| tensor(a, device))
            .transpose()
    }

    fn tokens(&self, key: Key) -> native::Result<Option<Vec<u32>>> {
        self.golden
            .tensors
            .get(&key)
            .and_then(Array::as_i64)
            .map(tokens)
            .transpose()
    }

    fn keep(&mut self, key: Key, value: Option<Tensor>) -> native::Result<()> {
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
