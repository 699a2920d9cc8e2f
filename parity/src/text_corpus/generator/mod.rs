//! Random lines: what people write, and what nobody should.

mod lines;
mod numbers;
mod words;

pub use lines::{Generator, LineKind};
