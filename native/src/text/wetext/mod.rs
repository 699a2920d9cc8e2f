//! The text normaliser wetext: weighted rules that tag a text and put the tags into words.

mod compose;
mod fst;
mod normalizer;
mod reorder;
mod shortest_path;

pub(super) use normalizer::{Version, Wetext};
