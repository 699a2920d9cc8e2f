//! The pipeline: from a text and a voice to 24 kHz speech.

mod arriving;
mod boundaries;
mod builder;
mod canceller;
mod mode;
mod model;
mod pauses;
mod request;
mod script;
mod segment;
mod speech;
mod stream;

pub use boundaries::Hop;
pub use builder::EngineBuilder;
pub use canceller::Canceller;
pub use mode::ModeName;
pub use model::Engine;
pub use pauses::PausedScript;
pub use request::{Mode, Request, Text, Voice, check_end_of_prompt, check_speed};
pub use script::{Script, TextSegment};
pub use speech::{Chunk, SegmentInfo, Speech, SpeechStream, StageSeconds};
