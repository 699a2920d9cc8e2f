#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used))]

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
