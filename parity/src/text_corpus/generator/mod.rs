//! Random lines: what people write, and what nobody should.

mod lines;
mod numbers;
mod random;
mod words;

pub use lines::{Generator, LineKind};
