//! Values that are not finite: noticed where a network ends, and traced to where they began.

use candle_core::{DType, Device, Tensor};

use crate::stage::Stage;
use crate::tap::Tap;
use crate::{Error, Result};

/// Checks what the stage `stage` gave. If a value is not finite, `again` computes everything up to
/// it once more, handing its stages and layers to a tap that finds the first such value: looking at
/// every layer each time would cost more than it is worth.
///
/// # Errors
/// [`Error::NotFinite`] if a value is not finite.
pub(crate) fn check(
    stage: Stage,
    value: &Tensor,
    again: impl FnOnce(&mut dyn Tap) -> Result<()>,
) -> Result<()> {
    let bad = count(value)?;
    if bad == 0 {
        return Ok(());
    }
    let mut search = FirstNotFinite::default();
    // What the search finds it reports as an error, which ends the computation there.
    let ended = again(&mut search);
    let Some(first) = search.found else {
        // The second run may fail for a reason of its own, such as memory.
        ended?;
        return Err(not_finite(stage, bad, value, None));
    };
    Err(not_finite(stage, bad, value, Some(first)))
}

/// Checks a value that no network of this crate computed.
///
/// # Errors
/// [`Error::NotFinite`] if a value is not finite.
pub(crate) fn check_given(stage: Stage, value: &Tensor) -> Result<()> {
    match count(value)? {
        0 => Ok(()),
        bad => Err(not_finite(stage, bad, value, None)),
    }
}

/// How many values of a tensor are not finite.
fn count(value: &Tensor) -> Result<usize> {
    let value = value.to_device(&Device::Cpu)?.flatten_all()?;
    Ok(match value.dtype() {
        DType::F64 => {
            let values: Vec<f64> = value.to_vec1()?;
            values.iter().filter(|x| !x.is_finite()).count()
        }
        dtype if dtype.is_float() => {
            let values: Vec<f32> = value.to_dtype(DType::F32)?.to_vec1()?;
            values.iter().filter(|x| !x.is_finite()).count()
        }
        _ => 0,
    })
}

fn not_finite(stage: Stage, bad: usize, value: &Tensor, first: Option<String>) -> Error {
    Error::NotFinite {
        stage,
        bad,
        all: value.elem_count(),
        first: first.unwrap_or_else(|| format!("at {stage} itself")),
    }
}

/// A tap that ends the computation at the first value that is not finite.
#[derive(Default)]
struct FirstNotFinite {
    /// Where it is, for the message.
    found: Option<String>,
}

impl FirstNotFinite {
    fn look(&mut self, value: &Tensor, place: impl FnOnce() -> String) -> Result<()> {
        if count(value)? == 0 {
            return Ok(());
        }
        let place = self.found.insert(place());
        Err(Error::input(format!("not finite: {place}")))
    }
}

impl Tap for FirstNotFinite {
    fn stage(&mut self, stage: Stage, value: &Tensor) -> Result<()> {
        self.look(value, || format!("at {stage} itself"))
    }

    fn wants_layers(&self, _: Stage) -> bool {
        true
    }

    fn layer(&mut self, stage: Stage, name: &str, value: &Tensor) -> Result<()> {
        self.look(value, || format!("at {stage}, layer `{name}`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(values: &[f32]) -> Tensor {
        Tensor::new(values, &Device::Cpu).unwrap()
    }

    fn message(bad: &[f32], again: impl FnOnce(&mut dyn Tap) -> Result<()>) -> String {
        check(Stage::FlowMel, &tensor(bad), again)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn finite_values_pass_without_a_second_run() {
        check(Stage::FlowMel, &tensor(&[0.0, -1e30]), |_| {
            panic!("computed again")
        })
        .unwrap();
    }

    #[test]
    fn the_first_layer_with_such_a_value_is_named() {
        let said = message(&[0.0, f32::NAN], |tap| {
            tap.stage(Stage::FlowMu, &tensor(&[1.0]))?;
            tap.layer(Stage::FlowStep(1), "block.0", &tensor(&[1.0]))?;
            tap.layer(Stage::FlowStep(1), "block.1", &tensor(&[f32::INFINITY]))?;
            panic!("went on after the first")
        });
        assert!(
            said.starts_with("flow.mel is not finite: 1 of 2 values"),
            "{said}"
        );
        assert!(said.contains("flow.step.01, layer `block.1`"), "{said}");
    }

    #[test]
    fn a_value_that_no_layer_shows_is_still_an_error() {
        let said = message(&[f32::NEG_INFINITY], |_| Ok(()));
        assert!(said.contains("at flow.mel itself"), "{said}");
    }
}
