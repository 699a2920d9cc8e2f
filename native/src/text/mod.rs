//! The text frontend: normalises a text, splits it into segments and tokenises them.

mod chinese;
mod frontend;
mod number_words;
mod paragraph;
mod recovery;
mod special_tokens;
mod tokenizer;

pub use frontend::{FrontendOptions, Normalized, NormalizerKind, TextFrontend};
pub(crate) use paragraph::has_words;
