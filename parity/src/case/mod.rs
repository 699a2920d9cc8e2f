//! The syntheses that are recorded and compared: the cases of `cases.toml`.
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::cast_possible_truncation)
)]

mod definition;
mod file;
mod raw;

pub use definition::{Case, Keep, LmSet, Mode, Speaker, Text};
pub use file::{CaseFile, Error};
pub use native::engine::ModeName;
