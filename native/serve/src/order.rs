//! What a request asks for, whichever route it came by.

use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use native::engine::{Mode, Voice};
use native_encode::Kind;

/// Something to say.
pub(crate) struct Order {
    /// The route, for logs and metrics.
    pub(crate) route: &'static str,
    pub(crate) text: Words,
    pub(crate) speaker: Speaker,
    pub(crate) seed: u64,
    pub(crate) speed: f64,
    /// Whether the sound is made in chunks, while the language model still samples.
    pub(crate) streamed: bool,
    pub(crate) output: Output,
}

/// The text.
pub(crate) enum Words {
    Whole(String),
    /// Piece by piece, until the sender is dropped.
    Arriving(Pieces),
}

/// Pieces of a text, as they come.
pub(crate) struct Pieces {
    pub(crate) from: Receiver<String>,
    /// How long the next one is waited for.
    pub(crate) patience: Duration,
}

/// The voice, and how it is used.
pub(crate) enum Speaker {
    /// One that is known.
    Known(Box<(Mode, Voice)>),
    /// One that is still to be analysed.
    Recording { sound: Recording, manner: Manner },
}

/// A recording that came with a request, or lies in the folder of recordings.
pub(crate) enum Recording {
    Bytes(Vec<u8>),
    File(PathBuf),
}

/// How a recording is used.
pub(crate) enum Manner {
    /// Its transcript continues into the text.
    ZeroShot {
        transcript: String,
    },
    CrossLingual,
    Instruct {
        instruct: String,
    },
}

/// What the sound is written as.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Output {
    /// As it is made: its first bytes do not state the length.
    Stream(Kind),
    /// As a file that is answered when it is done.
    File(Kind),
    /// 16-bit samples as the reference's server makes them: cut, not rounded.
    Reference,
}

impl Pieces {
    /// The pieces, until the text ends or nothing comes any more.
    pub(crate) fn into_texts(self) -> impl Iterator<Item = native::Result<String>> {
        use std::sync::mpsc::RecvTimeoutError::{Disconnected, Timeout};
        std::iter::from_fn(move || match self.from.recv_timeout(self.patience) {
            Ok(piece) => Some(Ok(piece)),
            Err(Disconnected) => None,
            Err(Timeout) => Some(Err(native::Error::input(format!(
                "no text came for {} s: the end of the text has to be said",
                self.patience.as_secs()
            )))),
        })
    }
}
