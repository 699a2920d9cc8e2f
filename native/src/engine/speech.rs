use std::collections::VecDeque;
use std::time::Instant;

use super::arriving::ArrivingText;
use super::segment::SegmentSynthesizer;
use super::stream::StreamThreads;
use super::{Canceller, Engine, Mode, Request, Script, TextSegment};
use crate::llm::{Sampler, Stop, TokenStream};
use crate::stage::Stage;
use crate::tap::{NoTap, Tap};
use crate::voice::VoicePrompt;
use crate::{Error, Result};

/// A piece of a request's sound: part of a segment if the request is streamed, else all of it.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// The segment it belongs to, counted from 0.
    pub segment: usize,
    /// The sound, 24 kHz, in [−0.99, 0.99]; the next chunk continues where it ends.
    pub samples: Vec<f32>,
    /// What is known about the segment, with its last chunk.
    pub end: Option<SegmentInfo>,
}

/// What a segment was synthesised from.
#[derive(Clone, Debug)]
pub struct SegmentInfo {
    /// Speech tokens as sampled.
    pub tokens: Vec<u32>,
    /// Speech tokens that became sound: long silences are shortened.
    pub kept: Vec<u32>,
    /// What ended the sampling; `None` if nothing was sampled, as in voice conversion.
    pub stop: Option<Stop>,
    /// Seconds spent in each network. In a stream, the language model works while the others do.
    pub seconds: StageSeconds,
}

/// Seconds of wall-clock time per network.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StageSeconds {
    /// The language model, sampling included.
    pub llm: f64,
    /// The flow.
    pub flow: f64,
    /// The vocoder.
    pub vocoder: f64,
}

/// The whole sound of a request: what a [`SpeechStream`]'s chunks add up to.
#[derive(Clone, Debug, Default)]
pub struct Speech {
    /// The sound, 24 kHz, in [−0.99, 0.99], all segments joined.
    pub samples: Vec<f32>,
    /// What each segment was synthesised from.
    pub segments: Vec<SegmentInfo>,
    /// Number of samples in each segment.
    pub segment_lengths: Vec<usize>,
    /// Number of samples in each chunk.
    pub chunk_lengths: Vec<usize>,
}

impl Speech {
    /// Duration in seconds.
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(Engine::SAMPLE_RATE)
    }

    /// Adds the next chunk.
    pub fn push(&mut self, chunk: Chunk) {
        let length = chunk.samples.len();
        self.samples.extend(chunk.samples);
        self.chunk_lengths.push(length);
        if self.segment_lengths.len() <= chunk.segment {
            self.segment_lengths.push(0);
        }
        if let Some(segment) = self.segment_lengths.last_mut() {
            *segment += length;
        }
        self.segments.extend(chunk.end);
    }
}

impl Extend<Chunk> for Speech {
    fn extend<I: IntoIterator<Item = Chunk>>(&mut self, chunks: I) {
        chunks.into_iter().for_each(|chunk| self.push(chunk));
    }
}

impl FromIterator<Chunk> for Speech {
    fn from_iter<I: IntoIterator<Item = Chunk>>(chunks: I) -> Self {
        let mut speech = Self::default();
        speech.extend(chunks);
        speech
    }
}

impl Engine {
    /// Says a request: an iterator over its chunks, which
    /// [`collect::<Result<Speech>>()`](Iterator::collect) joins. Dropping it cancels the rest.
    ///
    /// # Errors
    /// If the request is impossible, or its text has nothing to say. Later errors come through the
    /// iterator and end it.
    pub fn speak(&self, request: &Request) -> Result<SpeechStream> {
        request.check()?;
        let script = self.script(request)?;
        self.speak_script(request, &script, &mut NoTap)
    }

    /// Says a text whose pieces are not known yet: the language model takes the next one when it is
    /// ready for it, and waits where it is not there. Otherwise as [`Engine::speak`] does
    /// [`Text::Pieces`](super::Text::Pieces), whatever the request's text is. Pieces are taken in
    /// another thread if the request is streamed. An error among them ends the speech.
    ///
    /// # Errors
    /// If the request is impossible. Later errors come through the iterator and end it, also where
    /// the pieces have nothing to say.
    pub fn speak_arriving<I>(&self, request: &Request, pieces: I) -> Result<SpeechStream>
    where
        I: IntoIterator<Item = Result<String>>,
        I::IntoIter: Send + 'static,
    {
        request.check()?;
        if matches!(request.mode, Mode::VoiceConversion { .. }) {
            return Err(Error::input(
                "voice conversion keeps the words of a recording: it has no text",
            ));
        }
        let speaker = request.voice.saved();
        let script = Script {
            in_pieces: true,
            ..Script::of_prompt(&self.frontend, &request.mode, speaker)?
        };
        let pieces = ArrivingText::new(pieces.into_iter(), self.frontend.clone());
        let mut plan = Plan::new(self, request, &script, &mut NoTap)?;
        plan.pending.push_back(Pending::Arriving(pieces));
        SpeechStream::start(plan, request)
    }

    /// Like [`Engine::speak`], with a script that has been made before. `tap` is handed what is
    /// computed before this returns: of voice conversion, `source.whisper_mel`.
    ///
    /// # Errors
    /// As for [`Engine::speak`], or if the tap fails.
    pub fn speak_script(
        &self,
        request: &Request,
        script: &Script,
        tap: &mut dyn Tap,
    ) -> Result<SpeechStream> {
        request.check()?;
        SpeechStream::start(Plan::new(self, request, script, tap)?, request)
    }

    /// Synthesises a request segment by segment on this thread, handing every stage to `tap` and
    /// each segment to `deliver` as soon as it is done. The request is not streamed, whatever it
    /// says.
    ///
    /// # Errors
    /// As for [`Engine::speak`], or if `tap` or `deliver` fails.
    pub fn synthesize(
        &self,
        request: &Request,
        script: &Script,
        tap: &mut dyn Tap,
        mut deliver: impl FnMut(Chunk) -> Result<()>,
    ) -> Result<()> {
        request.check()?;
        let mut plan = Plan::new(self, request, script, tap)?;
        while let Some(chunk) = plan.next_segment(tap)? {
            deliver(chunk)?;
        }
        Ok(())
    }
}

impl Engine {
    /// The sound of speech tokens, at 24 kHz, in a voice that is [aligned](VoicePrompt::aligned).
    /// Long silences are said as they are ([`LmConfig::drop_long_silences`](crate::llm::LmConfig::drop_long_silences)).
    ///
    /// # Errors
    /// If a network fails, such as on fewer tokens than it looks ahead.
    pub fn sound_of_tokens(&self, voice: &VoicePrompt, tokens: &[u32]) -> Result<Vec<f32>> {
        let segment = SegmentSynthesizer::new(self, voice);
        let (samples, _) = segment.whole(tokens, 1.0, &mut NoTap)?;
        Ok(samples)
    }
}

/// A request being said: an iterator over its [chunks](Chunk).
///
/// Without streaming, each call of `next` synthesises one segment on the calling thread. A streamed
/// request samples in one thread and makes sound in another, each as far ahead of its reader as its
/// queue is long. An error ends the iterator. Dropping it cancels the rest: threads end at their
/// next token or Euler step, and are not waited for.
pub struct SpeechStream {
    script: Script,
    cancel: Canceller,
    work: Work,
}

enum Work {
    Whole(Box<Plan>),
    Streamed(StreamThreads),
    Ended,
}

impl SpeechStream {
    fn start(plan: Plan, request: &Request) -> Result<Self> {
        Ok(Self {
            script: plan.script.clone(),
            cancel: plan.cancel.clone(),
            work: match &request.stream {
                Some(hop) => Work::Streamed(StreamThreads::start(plan, hop)?),
                None => Work::Whole(Box::new(plan)),
            },
        })
    }

    /// What stops the request from another thread, while this one waits for a chunk.
    pub fn canceller(&self) -> Canceller {
        self.cancel.clone()
    }

    /// What the text frontend made of the request.
    pub fn script(&self) -> &Script {
        &self.script
    }
}

impl Iterator for SpeechStream {
    type Item = Result<Chunk>;

    fn next(&mut self) -> Option<Result<Chunk>> {
        let next = match &mut self.work {
            Work::Whole(plan) => plan.next_segment(&mut self.cancel.clone()).transpose(),
            Work::Streamed(threads) => threads.next(),
            Work::Ended => return None,
        };
        // A stream's threads just end when they are cancelled, which must not look like the end of
        // the speech.
        let next = match self.cancel.check() {
            Err(cancelled) => Some(Err(cancelled)),
            Ok(()) => next,
        };
        if !matches!(next, Some(Ok(_))) {
            self.work = Work::Ended;
        }
        next
    }
}

/// Everything that is needed to say a request.
pub(super) struct Plan {
    pub(super) engine: Engine,
    pub(super) mode: Mode,
    pub(super) speed: f64,
    /// As the mode needs it: aligned, except for voice conversion.
    pub(super) voice: VoicePrompt,
    pub(super) sampler: Sampler,
    /// Segments yet to be said.
    pub(super) pending: VecDeque<Pending>,
    pub(super) cancel: Canceller,
    script: Script,
    /// Segments said.
    said: usize,
}

/// A segment yet to be said.
pub(super) enum Pending {
    /// Its tokens are to be sampled.
    Text(TextSegment),
    /// Its tokens are to be sampled while its text arrives.
    Arriving(ArrivingText),
    /// Its tokens are known, as in voice conversion.
    Tokens(Vec<u32>),
}

impl Pending {
    /// The text as far as it is known, for messages.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Text(segment) => segment.text.clone(),
            Self::Arriving(_) | Self::Tokens(_) => "arrived in pieces".to_owned(),
        }
    }
}

impl Plan {
    fn new(engine: &Engine, request: &Request, script: &Script, tap: &mut dyn Tap) -> Result<Self> {
        let prompt = request.voice.prompt();
        let (voice, pending) = match &request.mode {
            Mode::VoiceConversion { source } => {
                let tokenizer = &engine.speech_tokenizer;
                let tokens = tokenizer.tokens_of(source, Stage::SourceWhisperMel, tap)?;
                (prompt.clone(), VecDeque::from([Pending::Tokens(tokens)]))
            }
            _ => {
                let voice = prompt.aligned()?;
                // Before the first is said, so that the last does not spoil them all.
                for segment in script.segments.iter().filter(|_| !script.in_pieces) {
                    let prompt = engine.lm_prompt(&request.mode, script, segment, &voice);
                    engine.llm.check(&prompt)?;
                }
                let segments = script.segments.iter().cloned();
                (voice, segments.map(Pending::Text).collect())
            }
        };
        prompt.check_finite()?;
        Ok(Self {
            engine: engine.clone(),
            mode: request.mode.clone(),
            speed: request.speed,
            voice,
            sampler: match &request.rng {
                Some(rng) => Sampler::drawing_from(rng, engine.llm.config().sampling),
                None => engine.sampler(request.sampling),
            },
            pending,
            cancel: Canceller::default(),
            script: script.clone(),
            said: 0,
        })
    }

    /// Says the next segment as a whole.
    fn next_segment(&mut self, tap: &mut dyn Tap) -> Result<Option<Chunk>> {
        let Some(pending) = self.pending.pop_front() else {
            return Ok(None);
        };
        let index = self.said;
        self.said += 1;
        tap.segment(index);
        let mut info = match pending {
            Pending::Tokens(tokens) => SegmentInfo {
                kept: tokens.clone(),
                tokens,
                stop: None,
                seconds: StageSeconds::default(),
            },
            pending => self.sample(index, pending)?,
        };
        let synthesizer = SegmentSynthesizer::new(&self.engine, &self.voice);
        let (samples, seconds) = synthesizer.whole(&info.kept, self.speed, tap)?;
        info.seconds = StageSeconds {
            llm: info.seconds.llm,
            ..seconds
        };
        Ok(Some(Chunk {
            segment: index,
            samples,
            end: Some(info),
        }))
    }

    fn sample(&mut self, index: usize, pending: Pending) -> Result<SegmentInfo> {
        let started = Instant::now();
        let (text, cancel) = (pending.text(), self.cancel.clone());
        let mut tokens = self.decode(pending)?;
        for token in &mut tokens {
            token?;
            cancel.check()?;
        }
        let generation = tokens.finish();
        let llm = started.elapsed().as_secs_f64();
        let config = self.engine.llm.config();
        let kept = config.drop_long_silences(&generation.tokens);
        if kept.is_empty() {
            return Err(no_speech(index, &text));
        }
        Ok(SegmentInfo {
            tokens: generation.tokens,
            kept,
            stop: Some(generation.stop),
            seconds: StageSeconds {
                llm,
                ..StageSeconds::default()
            },
        })
    }

    /// Begins to sample a segment, with the sampler that goes through all of them.
    pub(super) fn decode(&mut self, pending: Pending) -> Result<TokenStream<'_>> {
        let (engine, mode, script) = (&self.engine, &self.mode, &self.script);
        let (voice, sampler) = (&self.voice, &mut self.sampler);
        match pending {
            Pending::Text(segment) => engine.decode(mode, script, &segment, voice, sampler),
            Pending::Arriving(pieces) => {
                let prompt = engine.lm_prompt(mode, script, &TextSegment::default(), voice);
                let (ids, speech) = (&prompt.prompt_text_ids, &prompt.prompt_speech_tokens);
                let bistream = engine.llm.decode_bistream(ids, speech, pieces, sampler)?;
                Ok(TokenStream::Arriving(bistream))
            }
            Pending::Tokens(_) => Err(Error::input("these tokens are not to be sampled")),
        }
    }
}

/// The language model ended a segment before its first audible token.
pub(super) fn no_speech(index: usize, text: &str) -> Error {
    Error::input(format!(
        "the language model sampled no speech for segment {}: {:?}",
        index + 1,
        text
    ))
}
