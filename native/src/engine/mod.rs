//! The pipeline: from a text and a voice prompt to 24 kHz speech.

mod options;
mod pipeline;
mod request;
mod speech_tokens;
mod synthesis;

pub use options::EngineOptions;
pub use pipeline::Engine;
pub use request::{Mode, Request, Script, ScriptSegment};
pub use synthesis::{Segment, StageSeconds};
