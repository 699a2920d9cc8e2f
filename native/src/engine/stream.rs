use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Instant;

use super::boundaries::{Boundaries, Hop};
use super::segment::SegmentSynthesizer;
use super::speech::{Pending, Plan, no_speech};
use super::{Canceller, Chunk, Engine, SegmentInfo, StageSeconds};
use crate::llm::{SilenceFilter, Stop};
use crate::voice::VoicePrompt;
use crate::{Error, Portion, Result};

/// Chunks that may wait for the listener; beyond that no more are made.
const WAITING_CHUNKS: usize = 4;
/// Speech tokens that may wait for the flow, 20 s of speech; beyond that no more are sampled.
const WAITING_TOKENS: usize = 500;

/// The threads behind a streamed request.
pub(super) struct StreamThreads {
    chunks: Receiver<Result<Chunk>>,
    cancel: Canceller,
    threads: Vec<JoinHandle<()>>,
}

impl StreamThreads {
    /// Starts to say `plan` in chunks whose lengths follow `hop`.
    pub(super) fn start(plan: Plan, hop: &Hop) -> Result<Self> {
        let cancel = plan.cancel.clone();
        let (sender, chunks) = sync_channel(WAITING_CHUNKS);
        let mut threads = Vec::new();
        let sound = SoundThread {
            engine: plan.engine.clone(),
            voice: plan.voice.clone(),
            hop: hop.clone(),
            cancel: cancel.clone(),
            chunks: sender,
        };
        let active = &plan.engine.active_streams.clone();
        let known = |pending: &Pending| matches!(pending, Pending::Tokens(_));
        let events = if !plan.pending.iter().all(known) {
            let (sender, tokens) = sync_channel(WAITING_TOKENS);
            let sampling = SamplingThread {
                plan,
                cancel: cancel.clone(),
                events: sender,
            };
            let run = move || sampling.run();
            threads.push(spawn("speech tokens", active, run)?);
            Events::Sampled(tokens)
        } else {
            Events::known(plan.pending)
        };
        threads.push(spawn("speech sound", active, move || sound.run(events))?);
        Ok(Self {
            chunks,
            cancel,
            threads,
        })
    }

    /// The next chunk, when it is there.
    pub(super) fn next(&mut self) -> Option<Result<Chunk>> {
        if let Ok(chunk) = self.chunks.recv() {
            return Some(chunk);
        }
        for thread in self.threads.drain(..) {
            if let Err(panic) = thread.join() {
                // A bug in a thread must not look like the end of the speech.
                std::panic::resume_unwind(panic);
            }
        }
        None
    }
}

impl Drop for StreamThreads {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// Counts a thread as active for as long as it runs.
struct Active(Arc<AtomicUsize>);

impl Active {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count.clone())
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn spawn(
    name: &str,
    active: &Arc<AtomicUsize>,
    run: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>> {
    let active = Active::new(active);
    std::thread::Builder::new()
        .name(name.into())
        .spawn(move || {
            let _active = active;
            run();
        })
        .map_err(|e| Error::input(format!("cannot start a thread: {e}")))
}

/// What the sampling thread reports.
enum Event {
    /// The next speech token of the current segment that becomes sound.
    Token(u32),
    /// The current segment has ended.
    End {
        tokens: Vec<u32>,
        stop: Option<Stop>,
        seconds: f64,
    },
    /// Sampling failed.
    Failed(Error),
}

enum Events {
    Sampled(Receiver<Event>),
    Known(VecDeque<Event>),
}

impl Events {
    /// Segments whose tokens are known.
    fn known(pending: VecDeque<Pending>) -> Self {
        let mut events = VecDeque::new();
        for pending in pending {
            let Pending::Tokens(tokens) = pending else {
                continue;
            };
            events.extend(tokens.iter().map(|&token| Event::Token(token)));
            events.push_back(Event::End {
                tokens,
                stop: None,
                seconds: 0.0,
            });
        }
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
struct SamplingThread {
    plan: Plan,
    cancel: Canceller,
    events: SyncSender<Event>,
}

impl SamplingThread {
    fn run(mut self) {
        for index in 0.. {
            let Some(pending) = self.plan.pending.pop_front() else {
                return;
            };
            if let Err(error) = self.segment(index, pending) {
                // If the receiver is gone, the stream was dropped.
                let _ = self.events.send(Event::Failed(error));
                return;
            }
            if self.cancel.is_set() {
                return;
            }
        }
    }

    fn segment(&mut self, index: usize, pending: Pending) -> Result<()> {
        if matches!(pending, Pending::Tokens(_)) {
            return Ok(());
        }
        let started = Instant::now();
        // Time in which the queue was full is not the model's.
        let waited = Cell::new(0.0);
        let (events, cancel) = (&self.events, &self.cancel);
        let send = |event| {
            let started = Instant::now();
            let sent = events.send(event).is_ok();
            waited.set(waited.get() + started.elapsed().as_secs_f64());
            sent && !cancel.is_set()
        };
        let mut filter = SilenceFilter::new(self.plan.engine.llm.config());
        let mut audible = false;
        let text = pending.text();
        let mut decoding = self.plan.decode(pending)?;
        for token in &mut decoding {
            let token = token?;
            if filter.keeps(token) {
                audible = true;
                if !send(Event::Token(token)) {
                    return Ok(());
                }
            } else if cancel.is_set() {
                return Ok(());
            }
        }
        if !audible {
            return Err(no_speech(index, &text));
        }
        let generation = decoding.finish();
        let seconds = started.elapsed().as_secs_f64() - waited.get();
        send(Event::End {
            tokens: generation.tokens,
            stop: Some(generation.stop),
            seconds,
        });
        Ok(())
    }
}

/// The thread of the flow and the vocoder.
struct SoundThread {
    engine: Engine,
    voice: VoicePrompt,
    hop: Hop,
    cancel: Canceller,
    chunks: SyncSender<Result<Chunk>>,
}

impl SoundThread {
    fn run(self, mut events: Events) {
        for segment in 0.. {
            match self.segment(segment, &mut events) {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    // If the receiver is gone, the stream was dropped.
                    let _ = self.chunks.send(Err(error));
                    return;
                }
            }
        }
    }

    /// Whether another segment may follow.
    fn segment(&self, segment: usize, events: &mut Events) -> Result<bool> {
        let lookahead = self.engine.model_dir.config().flow.pre_lookahead_len;
        let prompt = self.voice.speech_tokens.len();
        let mut boundaries = Boundaries::new(prompt, lookahead, self.hop.clone());
        let mut synthesizer = SegmentSynthesizer::new(&self.engine, &self.voice);
        let mut tap = self.cancel.clone();
        let mut kept = Vec::new();
        let deliver = |samples, end| {
            let chunk = Chunk {
                segment,
                samples,
                end,
            };
            self.chunks.send(Ok(chunk)).is_ok() && !self.cancel.is_set()
        };
        for event in events {
            match event {
                Event::Token(token) => {
                    kept.push(token);
                    while let Some(cut) = boundaries.next(kept.len()) {
                        let known = &kept[..cut.known];
                        let samples =
                            synthesizer.chunk(known, cut.from, Portion::Partial, &mut tap)?;
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
                    let samples = synthesizer.chunk(&kept, from, Portion::Final, &mut tap)?;
                    let seconds = StageSeconds {
                        llm: seconds,
                        ..synthesizer.seconds
                    };
                    let info = SegmentInfo {
                        tokens,
                        kept,
                        stop,
                        seconds,
                    };
                    return Ok(deliver(samples, Some(info)));
                }
                Event::Failed(error) => return Err(error),
            }
        }
        Ok(false)
    }
}
