//! Weight files as the reference leaves them on disk, checked strictly.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use candle_core::{DType, Device, Shape, Tensor, pickle::PthTensors};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};

use crate::error::without_backtrace;
use crate::{Error, Result};

/// A loaded `.pt` or `.safetensors` file that remembers which of its tensors were taken.
///
/// A network takes its tensors through [`Weights::builder`]; afterwards [`Weights::finish`]
/// reports what the file has and the network did not ask for, so that a checkpoint of another
/// architecture is an error instead of a wrong voice.
pub struct Weights {
    path: PathBuf,
    store: Arc<Store>,
}

struct Store {
    tensors: BTreeMap<String, Tensor>,
    taken: Mutex<BTreeSet<String>>,
}

impl Weights {
    /// Reads a weight file into memory, on the CPU, in the type it has on disk.
    ///
    /// The format follows from the extension: `.safetensors`, or a PyTorch zip of a state dict
    /// for anything else. Only plain dictionaries of tensors are understood; nothing in the
    /// pickle is executed.
    pub fn open(path: &Path) -> Result<Self> {
        std::fs::File::open(path).map_err(Error::io(path))?;
        let damaged = |e: candle_core::Error| {
            Error::format(
                path,
                format!("not a readable weight file: {}", without_backtrace(e)),
            )
        };
        let tensors: HashMap<String, Tensor> =
            if path.extension().is_some_and(|e| e == "safetensors") {
                candle_core::safetensors::load(path, &Device::Cpu).map_err(damaged)?
            } else {
                read_pickle(path).map_err(damaged)?
            };
        if tensors.is_empty() {
            return Err(Error::format(
                path,
                "holds no tensors: not a state dict, or cut short",
            ));
        }
        let store = Store {
            tensors: tensors.into_iter().collect(),
            taken: Mutex::default(),
        };
        Ok(Self {
            path: path.to_owned(),
            store: Arc::new(store),
        })
    }

    /// Renames every tensor: the published vocoder checkpoint exists with and without a prefix.
    pub fn strip_prefix(self, prefix: &str) -> Self {
        let tensors = self
            .store
            .tensors
            .iter()
            .map(|(name, t)| {
                (
                    name.strip_prefix(prefix).unwrap_or(name).to_owned(),
                    t.clone(),
                )
            })
            .collect();
        Self {
            path: self.path,
            store: Arc::new(Store {
                tensors,
                taken: Mutex::default(),
            }),
        }
    }

    /// A builder that hands out the tensors on `device`, as `dtype`.
    pub fn builder(&self, dtype: DType, device: &Device) -> VarBuilder<'static> {
        VarBuilder::from_backend(Box::new(Taken(self.store.clone())), dtype, device.clone())
    }

    /// Turns what a network constructor said about these weights into an error that names the
    /// file, and fails if tensors are left over other than those `ignored` accepts.
    pub fn finish<T>(
        self,
        network: candle_core::Result<T>,
        ignored: impl Fn(&str) -> bool,
    ) -> Result<T> {
        let network = network.map_err(|e| Error::weights(&self.path, without_backtrace(e)))?;
        let taken = self
            .store
            .taken
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let left: Vec<_> = self
            .store
            .tensors
            .keys()
            .filter(|k| !taken.contains(*k) && !ignored(k))
            .collect();
        if left.is_empty() {
            return Ok(network);
        }
        let shown: Vec<_> = left.iter().take(5).map(|s| s.as_str()).collect();
        Err(Error::weights(
            &self.path,
            format!(
                "{} unexpected tensor(s), so this is a checkpoint of another model: {}{}",
                left.len(),
                shown.join(", "),
                if left.len() > shown.len() {
                    ", …"
                } else {
                    ""
                }
            ),
        ))
    }
}

fn read_pickle(path: &Path) -> candle_core::Result<HashMap<String, Tensor>> {
    let file = PthTensors::new(path, None)?;
    let mut tensors = HashMap::new();
    for name in file.tensor_infos().keys() {
        if let Some(tensor) = file.get(name)? {
            tensors.insert(name.clone(), tensor);
        }
    }
    Ok(tensors)
}

struct Taken(Arc<Store>);

impl SimpleBackend for Taken {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        _: Init,
        dtype: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        let tensor = self.get_unchecked(name, dtype, device)?;
        if tensor.shape() != &shape {
            candle_core::bail!(
                "tensor `{name}` has shape {:?}, the configuration asks for {:?}",
                tensor.dims(),
                shape.dims()
            );
        }
        Ok(tensor)
    }

    fn get_unchecked(
        &self,
        name: &str,
        dtype: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        let Some(tensor) = self.0.tensors.get(name) else {
            candle_core::bail!("tensor `{name}` is missing");
        };
        self.0
            .taken
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .insert(name.to_owned());
        tensor.to_device(device)?.to_dtype(dtype)
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.0.tensors.contains_key(name)
    }
}
