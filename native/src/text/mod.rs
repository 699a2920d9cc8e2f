//! Text: normalised, cut into segments and tokenised.

mod chinese;
mod frontend;
mod number_words;
mod paragraph;
mod special_tokens;
mod tokenizer;

pub use frontend::{FrontendOptions, Normalized, NormalizerKind, TextFrontend};
