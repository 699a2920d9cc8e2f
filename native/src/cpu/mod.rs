//! Kernels for the CPU, where candle's own are slow or round more often than they need to.
//!
//! Each has a plain formulation in candle's operations beside it, for every other device and
//! type; tests hold the two against each other.

mod conv;
mod matrix;

pub(crate) use conv::{ConvShape, conv1d};
