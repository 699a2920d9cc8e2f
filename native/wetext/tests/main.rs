//! The normaliser from outside.

mod fuzz_corpus;
