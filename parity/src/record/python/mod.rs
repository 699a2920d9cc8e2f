//! Recordings by the Python reference, whose interpreter runs inside this process.
//!
//! The program is built against the reference environment's interpreter (`PYO3_PYTHON`), loads
//! `cosyvoice_reference` from `python_ref/` and takes its arrays over in memory.

mod convert;
mod engine;
mod error;
mod interpreter;
mod sampler;

pub use convert::{LogitRows, logit_rows};
pub use engine::{Options, Progress, PythonEngine};
pub use error::Error;
pub use sampler::draws;
