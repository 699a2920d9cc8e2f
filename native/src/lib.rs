//! The CosyVoice3 engine.

mod error;
pub mod noise;
mod ops;
pub mod tap;
pub mod torch_rng;
pub mod weights;

pub mod audio;
pub mod flow;
pub mod llm;
pub mod text;
pub mod vocoder;
pub mod voice;

pub use error::{Error, Result};
