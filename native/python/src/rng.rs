//! torch's generator, for programs with and without torch.

use native::llm::SharedRng;
use native::torch_rng::{Multinomial, TorchRng as Rng};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// A generator that draws what torch's CPU generator draws. Clones in Rust share its position.
#[pyclass(frozen, module = "cosyvoice_native._native")]
pub struct TorchRng {
    pub shared: SharedRng,
    multinomial: Multinomial,
}

impl TorchRng {
    pub fn of(rng: Rng, multinomial: Multinomial) -> Self {
        Self {
            shared: SharedRng::new(rng),
            multinomial,
        }
    }
}

/// Which build of torch draws like this: its wheels of 2.3 for x86-64, or newer ones.
pub fn multinomial(newer_draws: bool) -> Multinomial {
    match newer_draws {
        true => Multinomial::TwoDraws,
        false => Multinomial::MklStream,
    }
}

#[pymethods]
impl TorchRng {
    #[new]
    #[pyo3(signature = (seed, newer_draws = false))]
    fn new(seed: u64, newer_draws: bool) -> Self {
        let multinomial = multinomial(newer_draws);
        Self::of(Rng::new(seed, multinomial), multinomial)
    }

    #[staticmethod]
    #[pyo3(signature = (state, newer_draws = false))]
    fn from_state(state: &[u8], newer_draws: bool) -> PyResult<Self> {
        let multinomial = multinomial(newer_draws);
        let rng = Rng::from_state(state, multinomial);
        let rng = rng.map_err(|e| PyValueError::new_err(e.to_string()))?;
        Ok(Self::of(rng, multinomial))
    }

    fn written_to(&self, state: &[u8]) -> PyResult<Vec<u8>> {
        let mut state = state.to_vec();
        let written = self.shared.rng().write_state(&mut state);
        written.map_err(|e| PyValueError::new_err(e.to_string()))?;
        Ok(state)
    }

    /// A generator of its own that stands where this one stands.
    fn copy(&self) -> Self {
        Self::of(self.shared.rng(), self.multinomial)
    }

    /// Goes to where another one stands.
    fn go_to(&self, other: &Self) {
        self.shared.set(other.shared.rng());
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.shared.rng() == other.shared.rng()
    }
}
