#![doc = include_str!("../README.md")]

mod compose;
mod error;
mod fst;
mod normalizer;
mod reach;
mod reorder;
mod shortest_path;
pub mod unicode;
mod unicode_tables;
mod version;

pub use error::{Error, Failure};
pub use normalizer::Normalizer;
pub use version::{Language, Version};
