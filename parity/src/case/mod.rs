//! What is synthesised: the cases of `cases.toml`.

mod definition;
mod file;

pub use definition::{Case, Keep, LmSet, Mode};
pub use file::{CaseFile, Error};
