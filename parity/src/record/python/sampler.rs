use std::path::Path;

use numpy::{PyArray2, PyReadonlyArray1};
use pyo3::prelude::*;

use super::{Error, interpreter};

/// `count` tokens that the reference's sampler draws from `rows` of logits under `seed`, in the
/// manner of `cosyvoice_reference.sampler.draws`: `root` is the checkout, `env` the environment
/// with the reference's packages, `package` the folder of `cosyvoice_reference`.
///
/// # Errors
/// If the reference cannot be imported, or Python raises an exception.
pub fn draws(
    (root, env, package): (&Path, &Path, &Path),
    rows: &[Vec<f32>],
    seed: u64,
    count: usize,
) -> Result<Vec<i64>, Error> {
    Python::attach(|py| {
        interpreter::enter(py, env, package)?;
        let draw = || {
            let rows = PyArray2::from_vec2(py, rows)?;
            let module = py.import("cosyvoice_reference.sampler")?;
            let drawn = module.call_method1("draws", (root, rows, seed, count))?;
            let drawn: PyReadonlyArray1<'_, i64> = drawn.extract()?;
            Ok(drawn.as_slice()?.to_vec())
        };
        draw().map_err(Error::python(py, "drawing with the reference's sampler"))
    })
}
