//! The parity harness.
