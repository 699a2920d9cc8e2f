//! The normaliser from outside.

mod fuzz_corpus;
mod hostile_rules;
