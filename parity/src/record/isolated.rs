//! Every stage alone, fed with what the golden says it was fed in the reference.

use candle_core::{DType, Tensor};
use native::Portion;
use native::audio::Waveform;
use native::engine::{Engine, Mode};
use native::flow::FlowInput;
use native::llm::{Generation, Sampler, SharedRng, Strategy, TokenStream};
use native::tap::NoTap;
use native::torch_rng::TorchRng;
use native::voice::VoicePrompt;

use super::forced::{self, Drawing};
use super::golden_inputs::GoldenInputs;
use super::inputs::Inputs;
use super::values::{Collector, ids, stop_mark, text_record};
use crate::array::Array;
use crate::diff::partings::Step;
use crate::recording::{CaseRecord, DRAW_TAP, MISMATCH_TAP, STEPS_TAP, SegmentText, TextRecord};
use crate::stage::{FLOW_STEPS, Key, Stage};

/// Runs every stage for which the golden has inputs. With `own_voice`, which was extracted from the
/// prompt's recording before, it ends at the tokens. Beside an `exact` engine, each token is drawn
/// from the golden's history.
pub(super) fn record(
    engine: &Engine,
    exact: Option<&Engine>,
    inputs: Inputs,
    own_voice: Option<VoicePrompt>,
    golden: &CaseRecord,
) -> native::Result<CaseRecord> {
    let tokens_only = own_voice.is_some();
    let mut run = IsolatedRun {
        engine,
        exact,
        inputs: GoldenInputs {
            golden,
            own_voice,
            device: engine.device().clone(),
        },
        out: Collector::default(),
    };
    let text = run.text(&inputs)?;
    run.prompt(&inputs.prompt)?;
    if let Mode::VoiceConversion { source } = &inputs.mode {
        run.source(source)?;
    } else {
        run.language_model(&inputs)?;
    }
    let mut audio = Vec::new();
    if !inputs.case().stream && !tokens_only {
        for segment in 0..golden.segments() {
            if let Some(mel) = run.flow(&inputs.mode, segment)? {
                audio.extend(run.sound(&mel)?);
            }
            run.vocoder(segment)?;
        }
    }
    Ok(CaseRecord {
        tensors: run.out.tensors,
        case: inputs.recorded,
        text,
        noise: Default::default(),
        audio,
        unrecorded: Default::default(),
    })
}

/// Generators for the engine and for the exact one, if the strategy is torch's.
fn generators(strategy: Strategy) -> Option<(SharedRng, SharedRng)> {
    let Strategy::Torch { seed, multinomial } = strategy else {
        return None;
    };
    let rng = || SharedRng::new(TorchRng::new(seed, multinomial));
    Some((rng(), rng()))
}

struct IsolatedRun<'a> {
    engine: &'a Engine,
    /// The same engine with the language model that samples the reference's tokens, unless it is that
    /// one.
    exact: Option<&'a Engine>,
    inputs: GoldenInputs<'a>,
    out: Collector,
}

impl IsolatedRun<'_> {
    /// Texts from the case's text; ids from the golden's normalised texts.
    fn text(&self, inputs: &Inputs) -> native::Result<TextRecord> {
        if matches!(inputs.mode, Mode::VoiceConversion { .. }) {
            return Ok(TextRecord::default());
        }
        let encode = |text: &str| self.engine.frontend().ids(text).map(|t| ids(&t));
        let reference = &self.inputs.golden.text;
        let mut text = text_record(&inputs.script(self.engine, None)?);
        let prompt_ids = reference.prompt_text.as_deref().map(encode).transpose()?;
        text.prompt_ids = prompt_ids.unwrap_or_default();
        // Pieces are not normalised, and each has been tokenised on its own.
        if !inputs.case().in_pieces() {
            let segments = text.segments.len().max(reference.segments.len());
            text.segments.resize_with(segments, SegmentText::default);
            for (i, segment) in text.segments.iter_mut().enumerate() {
                let normalized = reference.segments.get(i).map(|s| encode(&s.text));
                segment.ids = normalized.transpose()?.unwrap_or_default();
            }
        }
        Ok(text)
    }

    /// The features are computed from the sound file, and so is what follows them if the golden does
    /// not keep them.
    fn prompt(&mut self, prompt: &Waveform) -> native::Result<()> {
        let tokens_key = Key::whole(Stage::PromptSpeechTokens);
        if let Some(voice) = &self.inputs.own_voice {
            self.out.insert_tokens(tokens_key, &voice.speech_tokens);
            return Ok(());
        }
        let own = self.engine.voice_with(prompt, &mut self.out)?;
        let speech_tokens = match self.inputs.on_cpu(Stage::PromptWhisperMel)? {
            Some(mel) => self.engine.speech_tokenizer().tokens(&mel)?,
            None => own.speech_tokens,
        };
        self.out.insert_tokens(tokens_key, &speech_tokens);
        let embedding = match self.inputs.on_cpu(Stage::PromptFbank)? {
            Some(fbank) => self.engine.speaker_encoder().embedding(&fbank)?,
            None => own.speaker_embedding,
        };
        let key = Key::whole(Stage::PromptSpeakerEmbedding);
        self.out.insert_tensor(key, &embedding)
    }

    fn source(&mut self, source: &Waveform) -> native::Result<()> {
        let tokenizer = self.engine.speech_tokenizer();
        let own = tokenizer.tokens_of(source, Stage::SourceWhisperMel, &mut self.out)?;
        let speech_tokens = match self.inputs.on_cpu(Stage::SourceWhisperMel)? {
            Some(mel) => tokenizer.tokens(&mel)?,
            None => own,
        };
        let key = Key::whole(Stage::SourceSpeechTokens);
        self.out.insert_tokens(key, &speech_tokens);
        Ok(())
    }

    fn language_model(&mut self, inputs: &Inputs) -> native::Result<()> {
        let script = self.inputs.script()?;
        let Some(voice) = self.inputs.voice()? else {
            return Ok(());
        };
        let voice = voice.aligned()?;
        let (engine, mode) = (self.engine, &inputs.mode);
        let mut sampler = engine.sampler(inputs.sampling);
        let rngs = generators(inputs.sampling);
        for (i, segment) in script.segments.iter().enumerate() {
            let key = |stage| Key::segment(stage, i);
            let sampled = self.inputs.tokens(&key(Stage::LlmTokens))?;
            let rows = self.inputs.integers(&key(Stage::LlmLogitRows));
            if let (Some(sampled), Some(rows)) = (&sampled, rows) {
                let prompt = engine.lm_prompt(mode, &script, segment, &voice);
                let logits = engine
                    .llm()
                    .teacher_forced_logits(&prompt, sampled, &mut NoTap)?;
                let kept = logits.index_select(&Tensor::new(rows, logits.device())?, 0)?;
                let rows = Array::ids(rows.to_vec());
                self.out.insert_tensor(key(Stage::LlmLogits), &kept)?;
                self.out.insert(key(Stage::LlmLogitRows), rows);
            }
            let mark = self.inputs.integers(&key(Stage::LlmStop));
            let mark = mark.and_then(<[i64]>::first).copied();
            if let (Some(exact), Some((rng, exact_rng)), Some(sampled), Some(mark)) =
                (self.exact, &rngs, &sampled, mark)
            {
                let sampling = exact.llm().config().sampling;
                let own = engine.llm().config().sampling;
                let mut own = Sampler::drawing_from(rng, own);
                let mut its = Sampler::drawing_from(exact_rng, sampling);
                let candidate = Drawing {
                    stream: engine.decode(mode, &script, segment, &voice, &mut own)?,
                    rng,
                };
                let exact = Drawing {
                    stream: exact.decode(mode, &script, segment, &voice, &mut its)?,
                    rng: exact_rng,
                };
                let forced =
                    forced::sample(candidate, exact, (sampled, mark), sampling, |stream| {
                        self.record_draw(stream, i)
                    })?;
                let steps = key(Stage::LlmTokens).tap(STEPS_TAP);
                self.out.insert(steps, Step::to_array(&forced.steps));
                self.out
                    .insert(key(Stage::LlmStop), Array::ids(vec![forced.stop]));
                self.out
                    .insert(key(Stage::LlmTokens), Array::ids(forced.drawn));
            } else {
                let stream = engine.decode(mode, &script, segment, &voice, &mut sampler)?;
                let generation = self.sample(stream, i, sampled.as_deref())?;
                let stop = Array::ids(stop_mark(generation.stop));
                self.out.insert(key(Stage::LlmStop), stop);
                self.out
                    .insert_tokens(key(Stage::LlmTokens), &generation.tokens);
            }
            if let Some(sampled) = sampled {
                let kept = engine.llm().config().drop_long_silences(&sampled);
                self.out.insert_tokens(key(Stage::LlmTokensKept), &kept);
            }
        }
        Ok(())
    }

    /// Samples a segment, and records how the first token that differs from the golden's was drawn.
    fn sample(
        &mut self,
        mut stream: TokenStream<'_>,
        segment: usize,
        golden: Option<&[u32]>,
    ) -> native::Result<Generation> {
        let stop_key = Key::segment(Stage::LlmStop, segment);
        let golden_stop = self.inputs.integers(&stop_key).map(<[i64]>::to_vec);
        let mut parted = golden.is_none();
        loop {
            let at = stream.tokens().len();
            let token = stream.next().transpose()?;
            let wanted = golden.and_then(|tokens| tokens.get(at)).copied();
            let same_stop = stream.stop().is_some_and(|stop| {
                let golden = golden_stop.as_ref();
                golden.is_none_or(|golden| *golden == stop_mark(stop))
            });
            if !parted && (token != wanted || (token.is_none() && !same_stop)) {
                parted = true;
                self.record_draw(&stream, segment)?;
            }
            if token.is_none() {
                return Ok(stream.finish());
            }
        }
    }

    fn record_draw(&mut self, stream: &TokenStream<'_>, segment: usize) -> native::Result<()> {
        let logits = stream.logits();
        let row = Array::f32([1, logits.len()], logits.to_vec()).map_err(native::Error::input)?;
        let key = Key::segment(Stage::LlmLogits, segment).tap(MISMATCH_TAP);
        self.out.insert(key, row);
        if let Some(draw) = stream.last_draw() {
            let draw = Array::vector(vec![
                draw.from_nucleus as f32,
                draw.nucleus_len as f32,
                draw.nucleus_lead,
                draw.order_gap,
                draw.size_gap,
                draw.vocabulary_lead.unwrap_or(f32::NAN),
            ]);
            let key = Key::segment(Stage::LlmTokens, segment).tap(DRAW_TAP);
            self.out.insert(key, draw);
        }
        Ok(())
    }

    /// The mel of the golden's tokens, [80, frames], and each step from the one before it.
    fn flow(&mut self, mode: &Mode, segment: usize) -> native::Result<Option<Tensor>> {
        let flow = self.engine.flow();
        let key = |stage| Key::segment(stage, segment);
        let conversion = matches!(mode, Mode::VoiceConversion { .. });
        let speech = self.inputs.tokens(&match conversion {
            true => Key::whole(Stage::SourceSpeechTokens),
            false => key(Stage::LlmTokensKept),
        })?;
        let (Some(voice), Some(speech)) = (self.inputs.voice()?, speech) else {
            return Ok(None);
        };
        let voice = match conversion {
            true => voice,
            false => voice.aligned()?,
        };
        let input = FlowInput {
            tokens: &speech,
            prompt_tokens: &voice.speech_tokens,
            prompt_mel: &voice.mel,
            embedding: &voice.speaker_embedding,
            portion: Portion::Final,
        };
        let mel = flow.inference(&input, &mut NoTap)?;
        self.out.insert_tensor(key(Stage::FlowMel), &mel)?;

        let all = [voice.speech_tokens.as_slice(), &speech].concat();
        let mu = flow.mu(&all, Portion::Final)?;
        self.out.insert_tensor(key(Stage::FlowMu), &mu)?;

        let Some(mu) = self.inputs.tensor(&key(Stage::FlowMu))? else {
            return Ok(Some(mel));
        };
        let speaker = flow.speaker(&voice.speaker_embedding)?;
        let conditioning = flow.condition(&mu, &speaker, &voice.mel, Portion::Final)?;
        for step in FLOW_STEPS {
            let before = match step {
                1 => Some(flow.noise(conditioning.frames())?),
                _ => self.inputs.tensor(&key(Stage::FlowStep(step - 1)))?,
            };
            if let Some(before) = before {
                let after = flow.step(step, &before, &conditioning, &mut NoTap)?;
                self.out.insert_tensor(key(Stage::FlowStep(step)), &after)?;
            }
        }
        Ok(Some(mel))
    }

    /// The sound of a mel that the engine made of the golden's tokens.
    fn sound(&self, mel: &Tensor) -> native::Result<Vec<f32>> {
        let speed = self.inputs.golden.case.case.speed;
        let mel = native::vocoder::interpolate_mel(mel, speed)?;
        let vocoder = self.engine.vocoder();
        let sound = vocoder.inference(&mel, Portion::Final, &mut NoTap)?;
        Ok(sound.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
    }

    fn vocoder(&mut self, segment: usize) -> native::Result<()> {
        let vocoder = self.engine.vocoder();
        let key = |stage| Key::segment(stage, segment);
        let Some(mel) = self.inputs.tensor(&key(Stage::FlowMel))? else {
            return Ok(());
        };
        let speed = self.inputs.golden.case.case.speed;
        let mel = native::vocoder::interpolate_mel(&mel, speed)?;
        let f0 = vocoder.f0(&mel, Portion::Final, &mut NoTap)?;
        self.out.insert_tensor(key(Stage::VocoderF0), &f0)?;
        if let Some(f0) = self.inputs.tensor(&key(Stage::VocoderF0))? {
            let source = vocoder.source(&f0)?;
            self.out.insert_tensor(key(Stage::VocoderSource), &source)?;
        }
        if let Some(source) = self.inputs.tensor(&key(Stage::VocoderSource))? {
            let wav = vocoder.decode(&mel, &source, Portion::Final, &mut NoTap)?;
            self.out.insert_tensor(key(Stage::VocoderWav), &wav)?;
        }
        Ok(())
    }
}
