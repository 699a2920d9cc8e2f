//! `parity text`: the text frontend over thousands of lines.

#[cfg(feature = "record")]
mod bench;
mod check;
mod command;
#[cfg(feature = "record")]
mod fuzz;
mod lines;
mod merge;
#[cfg(feature = "record")]
mod record;
#[cfg(feature = "record")]
mod reference;

pub use check::{read_corpus, summarise};
pub use command::{TextArgs, run};
