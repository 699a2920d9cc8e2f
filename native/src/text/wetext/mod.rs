//! The text normaliser wetext: weighted rules that tag a text and put the tags into words.

mod fst;
mod lattice;
mod normalizer;
mod reorder;

pub(super) use normalizer::{Version, Wetext};
