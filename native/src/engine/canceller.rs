use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::Tensor;

use crate::stage::Stage;
use crate::tap::Tap;
use crate::{Error, Result};

/// Stops a request from another thread: it ends at its next speech token or Euler step.
#[derive(Clone, Debug, Default)]
pub struct Canceller(Arc<AtomicBool>);

impl Canceller {
    /// Stops the request. Its iterator then gives an error, once, and ends.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn check(&self) -> Result<()> {
        match self.is_set() {
            true => Err(Error::input("the request was cancelled")),
            false => Ok(()),
        }
    }
}

/// The flow can be left between two Euler steps.
impl Tap for Canceller {
    fn stage(&mut self, _: Stage, _: &Tensor) -> Result<()> {
        self.check()
    }
}
