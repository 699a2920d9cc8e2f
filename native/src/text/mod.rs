//! Text: normalised, cut into segments and tokenised.

mod chinese;
mod frontend;
mod number_words;
mod paragraph;
mod special_tokens;
mod tokenizer;
mod unicode;
mod unicode_tables;
mod wetext;

pub use frontend::{FrontendOptions, Normalized, NormalizerKind, TextFrontend};
