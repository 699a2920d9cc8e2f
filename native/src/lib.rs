#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used))]

mod error;
mod file;
mod finite;
mod magnitude;
mod ops;
mod portion;
#[cfg(test)]
mod random_weights;
mod torch_file;
mod weights_file;

pub mod audio;
pub mod device;
pub mod engine;
pub mod family;
pub mod flow;
pub mod kernels;
pub mod llm;
pub mod model_dir;
pub mod new_file;
pub mod noise;
pub mod precision;
pub mod stage;
pub mod tap;
pub mod text;
pub mod vocoder;
pub mod voice;
pub mod weights;

pub use error::{Error, Result, error_chain};
pub use portion::Portion;
pub use torch_rng;
