//! From an evaluation, or from other reports, to a report.

mod alignment;
mod evaluation;
mod lengths;
mod mels;
mod merge;
mod sound;
mod trend;

pub use evaluation::build_report;
pub use merge::{MergeError, merge};
