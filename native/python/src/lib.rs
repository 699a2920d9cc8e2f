//! The part of the Python package `cosyvoice_native` that is Rust: the engine, with the GIL released
//! while it works. What a user of the package calls is Python, in `cosyvoice_native/`.
//!
//! Without the feature `module` this crate is empty; see its Cargo.toml.
#![cfg(feature = "module")]
#![deny(clippy::unwrap_used, clippy::expect_used)]

mod engine;
mod errors;
mod interrupt;
mod pieces;
mod rng;
mod speech;
mod voice;

use pyo3::pymodule;

/// `cosyvoice_native._native`.
#[pymodule]
mod _native {
    #[pymodule_export]
    use crate::engine::Engine;
    #[pymodule_export]
    use crate::rng::TorchRng;
    #[pymodule_export]
    use crate::speech::Speech;
    #[pymodule_export]
    use crate::voice::{Recording, Voice};
}
