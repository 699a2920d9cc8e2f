//! How far two values are apart: pure functions that do not know who recorded them.

pub mod align;
pub mod audio;
pub mod cepstrum;
pub mod f0;
pub mod logits;
pub mod partings;
pub mod spectrum;
pub mod tensor;
pub mod text;
pub mod tokens;
pub mod window;
