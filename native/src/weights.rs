//! Weight files as the reference publishes them, checked strictly.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use candle_core::{DType, Device, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};

use crate::error::without_backtrace;
use crate::file::shown;
use crate::kernels::Kernels;
use crate::magnitude;
use crate::precision::Precision;
use crate::weights_file::{WeightsFile, damaged, in_tensor};
use crate::{Error, Result};

/// Hands out the weights of one network, by their names in the checkpoint.
///
/// Every layer takes its weights through a builder, so what a [`Precision`] means for them is
/// decided by the layers in `ops` alone, and networks need not know it.
#[derive(Clone)]
pub struct Builder {
    vb: VarBuilder<'static>,
    precision: Precision,
    kernels: Kernels,
}

impl Builder {
    /// From candle's builder, whose dtype and device are replaced.
    pub fn new(vb: VarBuilder<'static>, precision: Precision, device: &Device) -> Self {
        let dtype = precision.dtype(device);
        let vb = vb.set_dtype(dtype).set_device(device.clone());
        let kernels = Kernels::default();
        Self {
            vb,
            precision,
            kernels,
        }
    }

    /// From tensors in memory.
    pub fn from_tensors(
        tensors: HashMap<String, Tensor>,
        precision: Precision,
        device: &Device,
    ) -> Self {
        let vb = VarBuilder::from_tensors(tensors, precision.dtype(device), device);
        Self::new(vb, precision, device)
    }

    /// The builder of a part of the network, whose tensors are named `name.…`.
    pub fn pp(&self, name: impl ToString) -> Self {
        Self {
            vb: self.vb.pp(name),
            ..self.clone()
        }
    }

    /// The tensor `name` as [`Self::dtype`] on [`Self::device`].
    ///
    /// # Errors
    /// The tensor is missing or has another shape.
    pub fn get(&self, shape: impl Into<Shape>, name: &str) -> candle_core::Result<Tensor> {
        self.vb.get(shape.into(), name)
    }

    /// The tensor `name` in float64 on the CPU, for computations whose rounding would show.
    ///
    /// # Errors
    /// The tensor is missing or has another shape.
    pub fn get_float64(&self, shape: impl Into<Shape>, name: &str) -> candle_core::Result<Tensor> {
        let vb = self.vb.clone().set_device(Device::Cpu);
        vb.set_dtype(DType::F64).get(shape.into(), name)
    }

    /// Converts a tensor to [`Self::dtype`] on [`Self::device`].
    ///
    /// # Errors
    /// The device is out of memory or does not support the dtype.
    pub fn place(&self, tensor: &Tensor) -> candle_core::Result<Tensor> {
        tensor.to_dtype(self.dtype())?.to_device(self.device())
    }

    /// The same weights in float64, whatever the precision.
    pub fn in_float64(self) -> Self {
        Self {
            vb: self.vb.set_dtype(DType::F64),
            ..self
        }
    }

    /// The same weights for layers that are small, or see more of the signal than others: 8 bit where
    /// others have 4, and bfloat16 where they have 8.
    pub fn finer(self) -> Self {
        let precision = match self.precision {
            Precision::Q4 => Precision::Q8,
            Precision::Q8 => Precision::Bf16,
            other => other,
        };
        Self { precision, ..self }
    }

    /// The same weights, packed in float32 on the CPU: for what is computed once.
    pub fn unrounded(self) -> Self {
        let precision = match self.dtype() {
            DType::F32 => Precision::F32,
            _ => self.precision,
        };
        Self { precision, ..self }
    }

    /// The same weights on another device.
    pub fn on(self, device: &Device) -> Self {
        Self {
            vb: self.vb.set_device(device.clone()),
            ..self
        }
    }

    /// Dtype of the activations, and of weights that are neither quantised nor packed.
    pub fn dtype(&self) -> DType {
        self.vb.dtype()
    }

    /// Device of the weights.
    pub fn device(&self) -> &Device {
        self.vb.device()
    }

    /// Precision of the network.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The same weights for layers that use other kernels.
    pub fn with_kernels(self, kernels: Kernels) -> Self {
        // A GPU computes everything in the precision's dtype, and so does its stand-in.
        let vb = match kernels {
            Kernels::Own => self.vb,
            Kernels::Composed => self.vb.set_dtype(self.precision.range()),
        };
        Self {
            vb,
            kernels,
            ..self
        }
    }

    /// The kernels that the layers use.
    pub fn kernels(&self) -> Kernels {
        self.kernels
    }
}

/// A loaded `.pt` or `.safetensors` file that knows which of its tensors were used.
///
/// A network takes its tensors through [`Weights::builder`]. [`Weights::finish`] then reports
/// tensors that the network left, so that the checkpoint of another architecture is an error
/// instead of a wrong voice.
pub struct Weights {
    path: PathBuf,
    kernels: Kernels,
    store: Arc<Store>,
}

/// The tensors that no layer has taken yet. Each is read when a layer takes it, and handed out once,
/// so that a layer that packs its weight does not double the memory of the whole network.
struct Store(Mutex<WeightsFile>);

impl Store {
    fn file(&self) -> MutexGuard<'_, WeightsFile> {
        self.0
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Weights {
    /// Opens a weight file, whose tensors are read as layers take them.
    ///
    /// The format follows from the extension: `.safetensors`, or a state dict as `torch.save` writes
    /// it, in its present or its old format, for anything else. Only plain dictionaries of tensors
    /// are understood; nothing in the pickle is executed.
    ///
    /// # Errors
    /// The file cannot be read, does not describe its tensors, or holds none.
    pub fn open(path: &Path) -> Result<Self> {
        let file = WeightsFile::open(path)?;
        Ok(Self {
            path: path.to_owned(),
            kernels: Kernels::default(),
            store: Arc::new(Store(Mutex::new(file))),
        })
    }

    /// Reads every tensor, and keeps none.
    ///
    /// # Errors
    /// The data of one are damaged (the present format of torch has checksums).
    pub fn check(self) -> Result<()> {
        let names: Vec<String> = self.store.file().names().map(str::to_owned).collect();
        for name in names {
            let taken = self.store.file().take(&name);
            taken.map_err(|reason| damaged(&self.path, &in_tensor(&name, &reason)))?;
        }
        self.check_rest()
    }

    /// Checks the data that no layer has taken.
    fn check_rest(self) -> Result<()> {
        // A builder that is still about reads no more of them.
        let Some(store) = Arc::into_inner(self.store) else {
            return Ok(());
        };
        let file = store.0.into_inner();
        let file = file.unwrap_or_else(|poisoned| poisoned.into_inner());
        file.finish().map_err(|reason| damaged(&self.path, &reason))
    }

    /// Removes `prefix` from the names that have it: the published vocoder checkpoint exists with
    /// and without one.
    pub fn strip_prefix(self, prefix: &str) -> Self {
        self.store
            .file()
            .rename(|name| match name.strip_prefix(prefix) {
                Some(stripped) => stripped.to_owned(),
                None => name,
            });
        self
    }

    /// Chooses the kernels of the network.
    pub fn with_kernels(self, kernels: Kernels) -> Self {
        Self { kernels, ..self }
    }

    /// A builder that hands out each tensor once, on `device`, for a network in `precision`.
    pub fn builder(&self, precision: Precision, device: &Device) -> Builder {
        let backend = Box::new(Taken {
            store: self.store.clone(),
            range: precision.range(),
        });
        let vb = VarBuilder::from_backend(backend, precision.dtype(device), device.clone());
        Builder::new(vb, precision, device).with_kernels(self.kernels)
    }

    /// Adds the name of the file to an error of the network's constructor.
    ///
    /// # Errors
    /// The constructor failed, or left tensors that `ignored` does not accept.
    pub fn finish<T>(
        self,
        network: candle_core::Result<T>,
        ignored: impl Fn(&str) -> bool,
    ) -> Result<T> {
        let network = network.map_err(|e| Error::weights(&self.path, without_backtrace(e)))?;
        let left: Vec<String> = {
            let file = self.store.file();
            let left = file.names().filter(|name| !ignored(name));
            left.map(shown).collect()
        };
        if left.is_empty() {
            self.check_rest()?;
            return Ok(network);
        }
        let shown = left.get(..5).unwrap_or(&left);
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

struct Taken {
    store: Arc<Store>,
    /// The dtype whose range bounds the weights.
    range: DType,
}

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
        let taken = self.store.file().take(name);
        let Some(tensor) =
            taken.map_err(|reason| candle_core::Error::Msg(in_tensor(name, &reason)))?
        else {
            candle_core::bail!("tensor `{name}` is missing, or two layers use it");
        };
        let range = if dtype == DType::F64 {
            dtype
        } else {
            self.range
        };
        magnitude::check(&tensor, range)
            .map_err(|what| candle_core::Error::Msg(format!("tensor `{name}` {what}")))?;
        tensor.to_device(device)?.to_dtype(dtype)
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.store.file().names().any(|n| n == name)
    }
}
