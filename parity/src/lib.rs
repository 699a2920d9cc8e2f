//! The parity harness.

pub mod fixture;
