//! An ONNX network on the CPU.

use std::path::{Path, PathBuf};

use candle_core::Tensor;
use rten::{Model, ModelOptions, Value, ValueOrView};

use crate::{Error, Result};

/// A network with one output, and its file's path for error messages.
pub struct Network {
    path: PathBuf,
    model: Model,
}

impl Network {
    /// Loads the file as it is; `inputs` is how many inputs the network must have.
    ///
    /// # Errors
    /// If the file cannot be read, is not an ONNX network, or takes another number of inputs.
    pub fn open(path: &Path, inputs: usize) -> Result<Self> {
        // Opened first, because rten's message for a missing file does not name it.
        std::fs::File::open(path).map_err(Error::io(path))?;
        Self::checked(path, ModelOptions::with_all_ops().load_file(path), inputs)
    }

    /// Loads the network from `bytes`; `path` is where they came from.
    ///
    /// # Errors
    /// If the bytes are not an ONNX network with this many inputs.
    pub fn from_bytes(path: &Path, bytes: Vec<u8>, inputs: usize) -> Result<Self> {
        Self::checked(path, ModelOptions::with_all_ops().load(bytes), inputs)
    }

    fn checked(path: &Path, loaded: Result<Model, rten::LoadError>, inputs: usize) -> Result<Self> {
        let model = loaded
            .map_err(|e| Error::format(path, format!("not a network that can be run: {e}")))?;
        let (have, outputs) = (model.input_ids().len(), model.output_ids().len());
        if have != inputs || outputs == 0 {
            return Err(Error::format(
                path,
                format!(
                    "has {have} inputs and {outputs} outputs, expected {inputs} and 1: this is \
                     another network"
                ),
            ));
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
        let outputs = self
            .model
            .run(inputs.collect(), &output, None)
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
