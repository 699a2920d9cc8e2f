//! The pipeline: from a text and a voice prompt to 24 kHz speech.

mod boundaries;
mod mode;
mod options;
mod pipeline;
mod request;
mod speaking;
mod speech_tokens;
mod stream;
mod synthesis;

pub use boundaries::Hop;
pub use mode::ModeName;
pub use options::EngineOptions;
pub use pipeline::Engine;
pub use request::{Mode, Request, Script, ScriptSegment};
pub use stream::{Chunk, SpeechStream};
pub use synthesis::{Said, Segment, StageSeconds};
