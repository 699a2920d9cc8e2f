//! The engine from outside: model directories, texts, the language model, streams.

mod fuzz_corpus;
mod hostile;
mod hostile_opus;
mod hostile_sound;
mod model_dir;
mod sampler_draws;
mod saved_speakers;
mod scripts;
mod sound_files;
mod speaker_networks;
mod speech_lm;
mod streaming;
mod text_frontend;
mod text_hostile;
mod text_recovery;

/// The tiny model, which has a vocabulary, rule files and networks.
mod model {
    pub use parity_fixture::testing::{tiny_model as tiny, workspace};
}
