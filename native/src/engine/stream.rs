use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Instant;

use candle_core::Tensor;

use super::boundaries::{Boundaries, Hop};
use super::speaking::Speaking;
use super::synthesis::nothing_to_say;
use super::{Engine, Mode, Request, Said, Script, StageSeconds};
use crate::llm::{Sampler, SilenceFilter, Stop};
use crate::tap::Tap;
use crate::voice::VoicePrompt;
use crate::{Error, Result};

/// Chunks of sound that wait for the listener; beyond that no more are made.
const WAITING_CHUNKS: usize = 4;
/// Speech tokens that wait for the flow, 20 s of speech; beyond that no more are sampled.
const WAITING_TOKENS: usize = 500;

/// A piece of a request's sound, as [`SpeechStream`] delivers it.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// The segment it belongs to, counted from 0.
    pub segment: usize,
    /// The sound, 24 kHz, in [−0.99, 0.99]; the next chunk goes on where it ends.
    pub samples: Vec<f32>,
    /// What there is to know of the segment, with its last chunk.
    pub end: Option<Said>,
}

/// A request being said: an iterator over its chunks.
///
/// The language model samples in a thread of its own, and another makes sound of what there is,
/// each as far ahead of its reader as its queue is long. An error ends the iterator. Dropping it
/// ends both threads at their next token or Euler step; it does not wait for them.
pub struct SpeechStream {
    chunks: Receiver<Result<Chunk>>,
    stopped: Stopped,
    threads: Vec<JoinHandle<()>>,
}

impl Engine {
    /// Like [`Engine::synthesize`], but delivers sound while the language model still samples: the
    /// reference's `stream=True`, in the same chunks.
    ///
    /// `hop` decides how long the chunks are, and grows. `tap` is handed what happens before the
    /// threads start: of voice conversion, `source.whisper_mel`. A speed other than 1 is refused,
    /// because the reference stretches whole segments only.
    pub fn stream(
        self: Arc<Self>,
        request: &Request,
        script: &Script,
        voice: &VoicePrompt,
        sampler: Sampler,
        hop: &Hop,
        tap: &mut dyn Tap,
    ) -> Result<SpeechStream> {
        if request.speed != 1.0 {
            return Err(Error::input(format!(
                "a stream has no speed but 1, and {} is asked for: leave the speed or the \
                 streaming out",
                request.speed
            )));
        }
        let stopped = Stopped::default();
        let (sender, chunks) = sync_channel(WAITING_CHUNKS);
        let mut threads = Vec::new();
        let (voice, events) = match &request.mode {
            Mode::VoiceConversion { source } => {
                let tokens = self
                    .speech_tokenizer
                    .tokens_of(source, "source.whisper_mel", tap)?;
                (voice.clone(), Events::from_tokens(tokens))
            }
            _ => {
                let voice = voice.aligned()?;
                let (sender, tokens) = sync_channel(WAITING_TOKENS);
                let sampling = Sampling {
                    engine: self.clone(),
                    mode: request.mode.clone(),
                    script: script.clone(),
                    voice: voice.clone(),
                    stopped: stopped.clone(),
                    events: sender,
                };
                threads.push(spawn("speech tokens", move || sampling.run(sampler))?);
                (voice, Events::Sampled(tokens))
            }
        };
        let voicing = Voicing {
            engine: self,
            voice,
            hop: hop.clone(),
            stopped: stopped.clone(),
            chunks: sender,
        };
        threads.push(spawn("speech sound", move || voicing.run(events))?);
        Ok(SpeechStream {
            chunks,
            stopped,
            threads,
        })
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name(name.into())
        .spawn(run)
        .map_err(|e| Error::input(format!("no thread can be started: {e}")))
}

impl Iterator for SpeechStream {
    type Item = Result<Chunk>;

    fn next(&mut self) -> Option<Result<Chunk>> {
        if let Ok(chunk) = self.chunks.recv() {
            return Some(chunk);
        }
        for thread in self.threads.drain(..) {
            if let Err(panic) = thread.join() {
                // A bug there is a bug here, not the end of the speech.
                std::panic::resume_unwind(panic);
            }
        }
        None
    }
}

impl Drop for SpeechStream {
    fn drop(&mut self) {
        self.stopped.0.store(true, Ordering::Relaxed);
    }
}

/// Whether nobody listens any more.
#[derive(Clone, Default)]
struct Stopped(Arc<AtomicBool>);

impl Stopped {
    fn is_so(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Between the Euler steps is where the flow can be left.
impl Tap for Stopped {
    fn tensor(&mut self, _stage: &str, _value: &Tensor) -> Result<()> {
        if self.is_so() {
            return Err(Error::input("the stream was dropped"));
        }
        Ok(())
    }
}

/// What the sampling thread tells.
enum Event {
    /// The next speech token of the segment at hand that becomes sound.
    Token(u32),
    /// The segment at hand has ended.
    End {
        tokens: Vec<u32>,
        stop: Option<Stop>,
        seconds: f64,
    },
    /// There is no more because of this.
    Failed(Error),
}

enum Events {
    Sampled(Receiver<Event>),
    Known(VecDeque<Event>),
}

impl Events {
    /// One segment whose tokens are all known.
    fn from_tokens(tokens: Vec<u32>) -> Self {
        let mut events: VecDeque<_> = tokens.iter().map(|&token| Event::Token(token)).collect();
        events.push_back(Event::End {
            tokens,
            stop: None,
            seconds: 0.0,
        });
        Self::Known(events)
    }
}

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        match self {
            Self::Sampled(events) => events.recv().ok(),
            Self::Known(events) => events.pop_front(),
        }
    }
}

/// The thread of the language model.
struct Sampling {
    engine: Arc<Engine>,
    mode: Mode,
    script: Script,
    voice: VoicePrompt,
    stopped: Stopped,
    events: SyncSender<Event>,
}

impl Sampling {
    fn run(self, mut sampler: Sampler) {
        for index in 0..self.script.segments.len() {
            let sampled = self.segment(index, &mut sampler);
            if let Err(error) = sampled {
                // Where nobody is left to be told, the stream was dropped.
                let _ = self.events.send(Event::Failed(error));
                return;
            }
            if self.stopped.is_so() {
                return;
            }
        }
    }

    fn segment(&self, index: usize, sampler: &mut Sampler) -> Result<()> {
        let started = Instant::now();
        // Time in which the queue was full is not the model's.
        let waited = Cell::new(0.0);
        let tell = |event| {
            let started = Instant::now();
            let told = self.events.send(event).is_ok();
            waited.set(waited.get() + started.elapsed().as_secs_f64());
            told && !self.stopped.is_so()
        };
        let segment = &self.script.segments[index];
        let mut filter = SilenceFilter::default();
        let mut heard = false;
        let mut decoding =
            self.engine
                .decode(&self.mode, &self.script, segment, &self.voice, sampler)?;
        for token in &mut decoding {
            let token = token?;
            if filter.keeps(token) {
                heard = true;
                if !tell(Event::Token(token)) {
                    return Ok(());
                }
            } else if self.stopped.is_so() {
                return Ok(());
            }
        }
        if !heard {
            return Err(nothing_to_say(index, segment));
        }
        let generation = decoding.finish();
        let seconds = started.elapsed().as_secs_f64() - waited.get();
        tell(Event::End {
            tokens: generation.tokens,
            stop: Some(generation.stop),
            seconds,
        });
        Ok(())
    }
}

/// The thread of the flow and the vocoder.
struct Voicing {
    engine: Arc<Engine>,
    voice: VoicePrompt,
    hop: Hop,
    stopped: Stopped,
    chunks: SyncSender<Result<Chunk>>,
}

impl Voicing {
    fn run(self, mut events: Events) {
        let mut segment = 0;
        loop {
            let goes_on = match self.segment(segment, &mut events) {
                Ok(goes_on) => goes_on,
                Err(error) => {
                    // Where nobody is left to be told, the stream was dropped.
                    let _ = self.chunks.send(Err(error));
                    false
                }
            };
            if !goes_on {
                return;
            }
            segment += 1;
        }
    }

    /// Whether another segment may follow.
    fn segment(&self, segment: usize, events: &mut Events) -> Result<bool> {
        let lookahead = self.engine.model_dir.config().flow.pre_lookahead_len;
        let prompt = self.voice.speech_tokens.len();
        let mut boundaries = Boundaries::new(prompt, lookahead, self.hop.clone());
        let mut speaking = Speaking::new(&self.engine, &self.voice);
        let mut tap = self.stopped.clone();
        let mut kept = Vec::new();
        let deliver = |samples, end| {
            let chunk = Chunk {
                segment,
                samples,
                end,
            };
            self.chunks.send(Ok(chunk)).is_ok() && !self.stopped.is_so()
        };
        for event in events {
            match event {
                Event::Token(token) => {
                    kept.push(token);
                    while let Some(cut) = boundaries.next(kept.len()) {
                        let known = &kept[..cut.known];
                        let samples = speaking.chunk(known, cut.from, false, &mut tap)?;
                        if !deliver(samples, None) {
                            return Ok(false);
                        }
                    }
                }
                Event::End {
                    tokens,
                    stop,
                    seconds,
                } => {
                    let from = boundaries.last(kept.len()).from;
                    let samples = speaking.chunk(&kept, from, true, &mut tap)?;
                    let seconds = StageSeconds {
                        llm: seconds,
                        ..speaking.seconds
                    };
                    let said = Said {
                        tokens,
                        kept,
                        stop,
                        seconds,
                    };
                    return Ok(deliver(samples, Some(said)));
                }
                Event::Failed(error) => return Err(error),
            }
        }
        Ok(false)
    }
}
