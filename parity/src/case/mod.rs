//! The syntheses that are recorded and compared: the cases of `cases.toml`.

mod definition;
mod file;
mod raw;

pub use definition::{Case, Keep, LmSet, Mode, Speaker, Text};
pub use file::{CaseFile, Error};
pub use native::engine::ModeName;
