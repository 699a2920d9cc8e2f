//! The speech language model: text and the prompt's speech tokens in, speech tokens out.

mod bistream;
mod config;
mod decode;
mod prompt;
mod qwen2;
mod sampler;
mod shared_rng;
mod silence;
mod softmax;
mod speech_lm;
mod step;
mod steps;
mod together;
mod token_stream;

pub use bistream::Bistream;
pub use config::{LmConfig, QwenConfig, SamplingConfig};
pub use decode::{Decoding, Generation, Stop};
pub use prompt::LmPrompt;
pub(crate) use prompt::no_end_of_prompt;
pub use sampler::{Draw, Sampler, Strategy};
pub use shared_rng::SharedRng;
pub use silence::SilenceFilter;
pub use speech_lm::SpeechLm;
pub use steps::Steps;
pub use token_stream::TokenStream;
