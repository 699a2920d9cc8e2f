//! From a recording to what the model is conditioned on: speech tokens, mel, speaker embedding.

mod network;
mod onnx_check;
mod onnx_patch;
mod prompt;
mod protobuf;
mod speaker;
mod speech_tokenizer;
#[cfg(test)]
mod test_networks;

pub use prompt::VoicePrompt;
pub use speaker::{PartialWindow, SpeakerEncoder};
pub use speech_tokenizer::{MAX_SECONDS, SpeechTokenizer};
