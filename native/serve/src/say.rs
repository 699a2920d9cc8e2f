//! What a worker does with an order.

use std::time::Instant;

use axum::body::Bytes;
use native::engine::{Engine, Mode, Request, SpeechStream, Text, Voice, check_end_of_prompt};
use native_encode::{Encoder, Kind};
use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedSender;

use crate::app::App;
use crate::error::Failure;
use crate::order::{Manner, Order, Output, Speaker, Words};

/// What becomes of an order, in this order: bytes, then one of the others.
pub(crate) enum Event {
    Bytes(Bytes),
    Done(Summary),
    Failed(Failure),
}

/// What was said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Summary {
    /// Samples at the engine's rate.
    pub(crate) samples: usize,
    /// Text ids that the language model was given.
    pub(crate) text_ids: usize,
    /// Speech tokens that it sampled.
    pub(crate) tokens: usize,
    /// Seconds from the worker's start until the first sound.
    pub(crate) first_sound: Option<f64>,
}

impl Summary {
    pub(crate) fn seconds(&self) -> f64 {
        self.samples as f64 / f64::from(Engine::SAMPLE_RATE)
    }
}

/// How an order ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    Done,
    Failed,
    /// Nobody listens any more.
    Cancelled,
}

/// What became of an order.
pub(crate) struct Said {
    pub(crate) outcome: Outcome,
    pub(crate) summary: Summary,
    /// What ends the answer, if somebody still listens.
    pub(crate) last: Option<Event>,
}

/// Says an order into `events`, on the calling thread. The last event is for the caller to send.
pub(crate) fn say(
    app: &App,
    order: Order,
    events: &UnboundedSender<Event>,
    deadline: Instant,
    runtime: &Handle,
) -> Said {
    let mut summary = Summary::default();
    if events.is_closed() {
        return Said {
            outcome: Outcome::Cancelled,
            summary,
            last: None,
        };
    }
    let said = Session {
        app,
        events,
        deadline,
        runtime,
        started: Instant::now(),
        summary: &mut summary,
    }
    .say(order);
    let (outcome, last) = match said {
        _ if events.is_closed() => (Outcome::Cancelled, None),
        Ok(()) => (Outcome::Done, Some(Event::Done(summary.clone()))),
        Err(failure) => {
            let failure = match Instant::now() >= deadline {
                true => Failure::timeout(),
                false => failure,
            };
            (Outcome::Failed, Some(Event::Failed(failure)))
        }
    };
    Said {
        outcome,
        summary,
        last,
    }
}

struct Session<'a> {
    app: &'a App,
    events: &'a UnboundedSender<Event>,
    deadline: Instant,
    runtime: &'a Handle,
    started: Instant,
    summary: &'a mut Summary,
}

impl Session<'_> {
    fn say(self, order: Order) -> Result<(), Failure> {
        self.check()?;
        let (mode, voice) = self.voice(order.speaker, &order.text)?;
        let request = |text: Text| {
            let request = Request::new(mode, text, voice)
                .seed(order.seed)
                .speed(order.speed);
            if order.streamed {
                request.streamed()
            } else {
                request
            }
        };
        let engine = &self.app.engine;
        let speech = match order.text {
            Words::Whole(text) => engine.speak(&request(Text::Whole(text)))?,
            Words::Arriving(pieces) => {
                let request = request(Text::Pieces(Vec::new()));
                engine.speak_arriving(&request, pieces.into_texts())?
            }
        };
        for warning in &speech.script().warnings {
            tracing::warn!(route = order.route, "{warning}");
        }
        let segments = speech.script().segments.iter();
        self.summary.text_ids = segments.map(|segment| segment.ids.len()).sum();
        let _watch = Watch::start(&speech, self.events, self.deadline, self.runtime);
        let mut sink = Sink::new(order.output)?;
        for chunk in speech {
            let chunk = chunk?;
            self.summary.samples += chunk.samples.len();
            self.summary.tokens += chunk.end.as_ref().map_or(0, |end| end.tokens.len());
            let started = self.started;
            let first = || started.elapsed().as_secs_f64();
            self.summary.first_sound.get_or_insert_with(first);
            let bytes = sink.push(&chunk.samples)?;
            self.send(bytes)?;
        }
        self.send(sink.finish()?)
    }

    /// The voice, analysed if need be, and how it is used.
    fn voice(&self, speaker: Speaker, text: &Words) -> Result<(Mode, Voice), Failure> {
        let (sound, manner) = match speaker {
            Speaker::Known(known) => return Ok(*known),
            Speaker::Recording { sound, manner } => (sound, manner),
        };
        let mode = match manner {
            Manner::ZeroShot { transcript } => Mode::ZeroShot {
                prompt_text: transcript,
            },
            Manner::CrossLingual => Mode::CrossLingual,
            Manner::Instruct { instruct } => Mode::Instruct { instruct },
        };
        if let Words::Whole(text) = text {
            let end = &self.app.engine.model_dir().family().end_of_prompt;
            check_end_of_prompt(&mode, &text.as_str().into(), end)?;
        }
        Ok((
            mode,
            self.app.voices.analysed(&self.app.engine, sound)?.into(),
        ))
    }

    fn send(&self, bytes: Vec<u8>) -> Result<(), Failure> {
        self.check()?;
        if bytes.is_empty() {
            return Ok(());
        }
        let sent = self.events.send(Event::Bytes(bytes.into()));
        sent.map_err(|_| Failure::internal("nobody listens any more"))
    }

    fn check(&self) -> Result<(), Failure> {
        match Instant::now() >= self.deadline {
            true => Err(Failure::timeout()),
            false => Ok(()),
        }
    }
}

/// Stops the speech when the listener goes away or the time is over, while the worker waits for its
/// next chunk.
struct Watch(tokio::task::JoinHandle<()>);

impl Watch {
    fn start(
        speech: &SpeechStream,
        events: &UnboundedSender<Event>,
        deadline: Instant,
        runtime: &Handle,
    ) -> Self {
        let (canceller, events) = (speech.canceller(), events.clone());
        Self(runtime.spawn(async move {
            // Either will do.
            let _ = tokio::time::timeout_at(deadline.into(), events.closed()).await;
            canceller.cancel();
        }))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Turns chunks into an output's bytes.
enum Sink {
    Stream {
        encoder: Box<Encoder>,
        begun: bool,
    },
    File {
        encoder: Box<Encoder>,
        bytes: Vec<u8>,
    },
    Reference,
}

impl Sink {
    fn new(output: Output) -> Result<Self, Failure> {
        Ok(match output {
            Output::Stream(kind) => Self::Stream {
                encoder: Box::new(Encoder::new(kind)?),
                begun: false,
            },
            Output::File(kind) => Self::file(kind)?,
            Output::Reference => Self::Reference,
        })
    }

    fn file(kind: Kind) -> Result<Self, Failure> {
        let mut encoder = Box::new(Encoder::of_file(kind)?);
        let bytes = encoder.start();
        Ok(Self::File { encoder, bytes })
    }

    /// The bytes to send now.
    fn push(&mut self, samples: &[f32]) -> Result<Vec<u8>, Failure> {
        Ok(match self {
            Self::Stream { encoder, begun } => {
                let mut bytes = Vec::new();
                if !std::mem::replace(begun, true) {
                    bytes = encoder.start();
                }
                bytes.extend(encoder.push(samples)?);
                bytes
            }
            Self::File { encoder, bytes } => {
                bytes.extend(encoder.push(samples)?);
                Vec::new()
            }
            Self::Reference => reference_pcm(samples),
        })
    }

    fn finish(self) -> Result<Vec<u8>, Failure> {
        Ok(match self {
            Self::Stream { encoder, .. } => encoder.finish()?.bytes,
            Self::File { encoder, mut bytes } => {
                let end = encoder.finish()?;
                bytes.extend(end.bytes);
                if let Some(start) = end.start {
                    bytes.splice(..start.len(), start);
                }
                bytes
            }
            Self::Reference => Vec::new(),
        })
    }
}

/// `(speech * 2**15).astype(np.int16)`, which cuts towards zero.
fn reference_pcm(samples: &[f32]) -> Vec<u8> {
    let cut = |&sample: &f32| ((sample * 32_768.0) as i16).to_le_bytes();
    samples.iter().flat_map(cut).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_references_samples_are_cut_towards_zero() {
        let samples = [0.9, -0.9, 1.9, -1.9].map(|x: f32| x / 32_768.0);
        assert_eq!(reference_pcm(&samples), [0, 0, 0, 0, 1, 0, 0xff, 0xff]);
    }
}
