use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::torch_rng::TorchRng;

/// A generator that several requests draw from, one after the other, as the reference's requests do
/// from torch's global generator. Clones share their position.
#[derive(Clone, Debug)]
pub struct SharedRng(Arc<Mutex<TorchRng>>);

impl SharedRng {
    /// Shares a generator.
    pub fn new(rng: TorchRng) -> Self {
        Self(Arc::new(Mutex::new(rng)))
    }

    /// The generator as it is now.
    pub fn rng(&self) -> TorchRng {
        self.lock().clone()
    }

    /// Puts another generator in its place.
    pub fn set(&self, rng: TorchRng) {
        *self.lock() = rng;
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, TorchRng> {
        // A draw cannot leave the generator half advanced: it does not panic between two words.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
