//! The engine from outside: model directories, texts, the language model, streams.

mod hostile_sound;
mod model_dir;
mod sampler_draws;
mod saved_speakers;
mod sound_files;
mod speech_lm;
mod streaming;
mod text_frontend;
mod text_hostile;

/// The tiny model, which has a vocabulary, rule files and networks.
mod model {
    pub use parity_fixture::testing::{tiny_model as tiny, workspace};
}
