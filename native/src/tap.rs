//! Stages hand out their tensors here, for whoever wants to compare them.

use candle_core::Tensor;

use crate::Result;

/// Receives the intermediate tensors of a synthesis, by the stage names of the parity harness.
pub trait Tap {
    /// Called before the stages of each text segment, counted from 0.
    fn segment(&mut self, _index: usize) {}

    /// Called once per stage and segment, in the order of computation. The tensor may live on
    /// any device. An error ends the synthesis. Tensors inside a stage are named
    /// `STAGE/PART`, and come only to a tap that is [`deep`](Tap::deep).
    fn tensor(&mut self, stage: &str, value: &Tensor) -> Result<()>;

    /// Whether the tensors inside a stage are wanted too: every transformer block, every vocoder
    /// block. They are many, and copying them to a tap has a price.
    fn deep(&self) -> bool {
        false
    }
}

/// A tap that drops everything.
pub struct NoTap;

impl Tap for NoTap {
    fn tensor(&mut self, _stage: &str, _value: &Tensor) -> Result<()> {
        Ok(())
    }
}
