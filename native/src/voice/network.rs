//! An ONNX network on the CPU.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use candle_core::Tensor;
use rten::{DataType, Dimension, Model, ModelOptions, Value, ValueOrView, ValueType};

use super::onnx_check;
use crate::{Error, Result, file};

/// Bytes of the largest file: a message of protocol buffers cannot have more.
pub const MAX_BYTES: u64 = 1 << 31;

/// An input that the engine has for a network.
pub struct Input {
    /// What it holds.
    pub of: DataType,
    /// Its dimensions; `None` where they depend on the recording.
    pub shape: &'static [Option<usize>],
}

/// A network with one output, and its file's path for error messages.
pub struct Network {
    path: PathBuf,
    model: Model,
}

impl Network {
    /// Loads the file as it is; `inputs` are those that the network must take.
    ///
    /// # Errors
    /// If the file cannot be read, is not an ONNX network, or takes other inputs.
    pub fn open(path: &Path, inputs: &[Input]) -> Result<Self> {
        let bytes = file::read(path, MAX_BYTES)?;
        onnx_check::check(&bytes).map_err(|reason| Error::format(path, reason))?;
        // Read again from the file, which by now is in the system's memory: given the bytes, rten
        // would hold the weights twice.
        drop(bytes);
        Self::checked(
            path,
            || ModelOptions::with_all_ops().load_file(path),
            inputs,
        )
    }

    /// Loads the network from `bytes`; `path` is where they came from.
    ///
    /// # Errors
    /// If the bytes are not an ONNX network with these inputs.
    pub fn from_bytes(path: &Path, bytes: Vec<u8>, inputs: &[Input]) -> Result<Self> {
        onnx_check::check(&bytes).map_err(|reason| Error::format(path, reason))?;
        Self::checked(path, || ModelOptions::with_all_ops().load(bytes), inputs)
    }

    fn checked(
        path: &Path,
        load: impl FnOnce() -> Result<Model, rten::LoadError>,
        inputs: &[Input],
    ) -> Result<Self> {
        let wrong = |reason: String| Error::format(path, reason);
        let model = without_panic(load)
            .map_err(|e| wrong(format!("not a network that can be run: {e}")))?
            .map_err(|e| wrong(format!("not a network that can be run: {e}")))?;
        let (have, outputs) = (model.input_ids().len(), model.output_ids().len());
        if have != inputs.len() || outputs == 0 {
            return Err(wrong(format!(
                "has {have} inputs and {outputs} outputs, expected {} and 1: this is another \
                 network",
                inputs.len()
            )));
        }
        for (&id, input) in model.input_ids().iter().zip(inputs) {
            let Some(info) = model.node_info(id) else {
                continue;
            };
            input.fits(info.dtype(), info.shape()).map_err(|reason| {
                let name = file::shown(info.name().unwrap_or_default());
                wrong(format!("input `{name}` {reason}: this is another network"))
            })?;
        }
        Ok(Self {
            path: path.to_owned(),
            model,
        })
    }

    /// Runs the network on `inputs`, given in the network's order, and returns its first output.
    ///
    /// # Errors
    /// If the network does not accept the inputs.
    pub fn run(&self, inputs: Vec<Value>) -> Result<Value> {
        let failed = |reason: String| {
            Error::format(
                &self.path,
                format!("the network cannot be run on this input: {reason}"),
            )
        };
        let inputs = self
            .model
            .input_ids()
            .iter()
            .copied()
            .zip(inputs.into_iter().map(ValueOrView::from));
        let output = self
            .model
            .output_ids()
            .iter()
            .copied()
            .take(1)
            .collect::<Vec<_>>();
        let outputs = without_panic(|| self.model.run(inputs.collect(), &output, None))
            .map_err(|reason| failed(reason.to_owned()))?
            .map_err(|e| failed(e.to_string()))?;
        outputs
            .into_iter()
            .next()
            .ok_or_else(|| failed("it gives no output".to_owned()))
    }

    /// An error about the network's file.
    pub fn unexpected(&self, reason: impl std::fmt::Display) -> Error {
        Error::format(&self.path, reason)
    }
}

impl Input {
    /// Whether a network that says this of an input can be given this one. What it leaves open is
    /// seen when it is run.
    fn fits(&self, of: Option<ValueType>, shape: Option<Vec<Dimension>>) -> Result<(), String> {
        if of.is_some_and(|of| of != ValueType::Tensor(self.of)) {
            return Err(format!("is not of {:?}", self.of));
        }
        let Some(shape) = shape else {
            return Ok(());
        };
        let fits = |(wanted, found): (&Option<usize>, &Dimension)| match (wanted, found) {
            (Some(wanted), Dimension::Fixed(found)) => wanted == found,
            (None, Dimension::Fixed(_)) => false,
            _ => true,
        };
        if shape.len() != self.shape.len() || !self.shape.iter().zip(&shape).all(fits) {
            let wanted = self.shape.iter().map(|dimension| match dimension {
                Some(size) => size.to_string(),
                None => "frames".to_owned(),
            });
            return Err(format!(
                "is of another shape than [{}]",
                wanted.collect::<Vec<_>>().join(", ")
            ));
        }
        Ok(())
    }
}

/// What `call` gives, or an error in place of a panic.
///
/// rten answers what it does not understand with an error, but indexes and divides by what it takes
/// to be checked: a hostile file reaches some of that in spite of `onnx_check`. What a panic leaves
/// behind is not looked at again: a model that failed to load is dropped, and a run owns its values.
fn without_panic<T>(call: impl FnOnce() -> T) -> Result<T, &'static str> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|_| "the runtime failed on it: it is damaged")
}

/// `features` with a batch dimension of one, as the networks take it.
///
/// # Errors
/// If the features cannot be read as float32.
pub fn batched(features: &Tensor) -> Result<Value> {
    let mut shape = vec![1];
    shape.extend_from_slice(features.dims());
    let values = features.flatten_all()?.to_vec1::<f32>()?;
    Value::from_shape(shape, values).map_err(Error::input)
}
