//! The text frontend: normalises a text, splits it into segments and tokenises them.

mod breaks;
mod chinese;
mod frontend;
mod number_words;
mod paragraph;
mod recovery;
mod special_tokens;
mod tokenizer;

pub(crate) use breaks::{has_breaks, passages};
pub use frontend::{FrontendOptions, Normalized, NormalizerKind, TextFrontend};
pub(crate) use paragraph::has_words;
