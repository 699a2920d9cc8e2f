//! Handing out intermediate tensors, for whoever wants to compare them.

use std::fmt::Display;

use candle_core::Tensor;

use crate::Result;
use crate::stage::Stage;

/// Receives the intermediate tensors of a synthesis. The tensors may live on any device.
pub trait Tap {
    /// Called before the stages of each text segment, counted from 0.
    fn segment(&mut self, _index: usize) {}

    /// Called once per stage and segment, in the order of computation.
    ///
    /// # Errors
    /// An error ends the synthesis.
    fn stage(&mut self, stage: Stage, value: &Tensor) -> Result<()>;

    /// Whether the layers of the network behind `stage` are wanted too. They are many, and copying
    /// them costs time.
    fn wants_layers(&self, _stage: Stage) -> bool {
        false
    }

    /// Called for every layer of a stage whose layers are [wanted](Self::wants_layers), before the
    /// stage itself.
    ///
    /// # Errors
    /// An error ends the synthesis.
    fn layer(&mut self, _stage: Stage, _name: &str, _value: &Tensor) -> Result<()> {
        Ok(())
    }
}

/// A tap that ignores everything.
pub struct NoTap;

impl Tap for NoTap {
    fn stage(&mut self, _: Stage, _: &Tensor) -> Result<()> {
        Ok(())
    }
}

/// The part of a tap that a network sees: the layers of one stage, or of one block in it.
pub struct Layers<'a> {
    /// Absent where nobody wants the layers, which then cost nothing.
    tap: Option<(&'a mut dyn Tap, Stage)>,
    /// Begins every layer's name.
    prefix: String,
}

impl<'a> Layers<'a> {
    /// The layers of `stage`, handed to `tap` if it wants them.
    pub fn of(tap: &'a mut dyn Tap, stage: Stage) -> Self {
        Self {
            tap: tap.wants_layers(stage).then_some((tap, stage)),
            prefix: String::new(),
        }
    }

    /// Layers that nobody wants.
    pub fn ignored() -> Self {
        Self {
            tap: None,
            prefix: String::new(),
        }
    }

    /// The layers of a block, whose names begin with the block's.
    pub fn block(&mut self, name: impl Display) -> Layers<'_> {
        match &mut self.tap {
            Some((tap, stage)) => Layers {
                prefix: format!("{}{name}.", self.prefix),
                tap: Some((&mut **tap, *stage)),
            },
            None => Layers::ignored(),
        }
    }

    /// Whether somebody wants them.
    pub fn are_wanted(&self) -> bool {
        self.tap.is_some()
    }

    /// Hands out one layer's output.
    ///
    /// # Errors
    /// If the tap fails, which ends the synthesis.
    pub fn record(&mut self, name: impl Display, value: &Tensor) -> Result<()> {
        match &mut self.tap {
            Some((tap, stage)) => tap.layer(*stage, &format!("{}{name}", self.prefix), value),
            None => Ok(()),
        }
    }
}
