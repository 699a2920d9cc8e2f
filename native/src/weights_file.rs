//! Weight files: name → tensor, on the CPU, in the dtype on disk, read when it is wanted.
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::cast_possible_truncation)
)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use safetensors::tensor::Metadata;

use crate::error::without_backtrace;
use crate::file::{self, shown};
use crate::torch_file::{Element, Storages, TensorInfo, TorchFile};
use crate::{Error, Result};

/// An open weight file, whose tensors are read one by one, each at most once.
pub(crate) enum WeightsFile {
    Torch {
        tensors: BTreeMap<String, TensorInfo>,
        storages: Storages,
    },
    Safetensors {
        tensors: BTreeMap<String, Placed>,
        file: File,
    },
}

/// A tensor of a `.safetensors` file.
pub(crate) struct Placed {
    dtype: DType,
    shape: Vec<usize>,
    /// Where its data begin in the file.
    begin: u64,
    bytes: usize,
}

impl WeightsFile {
    /// Opens a file in the format that its extension says, and reads which tensors it has.
    ///
    /// # Errors
    /// If it cannot be read, is damaged or holds no tensors.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let opened = if path.extension().is_some_and(|e| e == "safetensors") {
            let (file, size) = file::open(path)?;
            Self::open_safetensors(file, size)
        } else {
            let TorchFile { pickle, storages } = TorchFile::open(path)?;
            Self::open_torch(&pickle, storages)
        };
        let opened = opened.map_err(|reason| damaged(path, &reason))?;
        if opened.names().next().is_none() {
            return Err(Error::format(
                path,
                "holds no tensors: not a state dict, or cut short",
            ));
        }
        Ok(opened)
    }

    fn open_torch(pickle: &[u8], storages: Storages) -> Result<Self, String> {
        let pickle = TorchFile::objects(pickle)?;
        let entries = pickle
            .dict(pickle.root())
            .ok_or("holds no dictionary of tensors by name: not a state dict")?;
        let mut tensors = BTreeMap::new();
        for (name, object) in entries {
            let info = TensorInfo::of(&pickle, object).map_err(|e| in_tensor(name, &e))?;
            let info = info
                .ok_or_else(|| in_tensor(name, "it is no tensor, so this is not a state dict"))?;
            if tensors.insert(name.to_owned(), info).is_some() {
                return Err(in_tensor(name, "it is there twice"));
            }
        }
        Ok(Self::Torch { tensors, storages })
    }

    fn open_safetensors(mut file: File, size: u64) -> Result<Self, String> {
        /// Longer names and wider tensors are no network's.
        const MAX_DIMENSIONS: usize = 8;
        let mut length = [0; 8];
        file.read_exact(&mut length)
            .map_err(|_| "it is cut short")?;
        let length = u64::from_le_bytes(length);
        if length > size - 8 {
            return Err(format!(
                "its header of {length} bytes is longer than the file, which is cut short or damaged"
            ));
        }
        let mut header = Vec::new();
        file.by_ref()
            .take(length)
            .read_to_end(&mut header)
            .map_err(|e| e.to_string())?;
        let metadata: Metadata =
            serde_json::from_slice(&header).map_err(|e| format!("its header: {e}"))?;
        let data = size - 8 - length;
        if metadata.data_len() as u64 != data {
            return Err(format!(
                "its header describes {} bytes of data and it has {data}: it is cut short or damaged",
                metadata.data_len()
            ));
        }
        let mut tensors = BTreeMap::new();
        for name in metadata.offset_keys() {
            let info = metadata.info(&name).ok_or("its header is inconsistent")?;
            if info.shape.len() > MAX_DIMENSIONS {
                let reason = format!("it has {} dimensions", info.shape.len());
                return Err(in_tensor(&name, &reason));
            }
            // A dimension of 0 hides what the others multiply to, and candle multiplies unchecked.
            let mut sizes = info.shape.iter();
            let elements = sizes.try_fold(1_usize, |n, &d| n.checked_mul(d.max(1)));
            if elements.is_none() {
                return Err(in_tensor(
                    &name,
                    &format!("its shape {:?} is too large", info.shape),
                ));
            }
            let dtype = DType::try_from(info.dtype).map_err(|_| {
                in_tensor(&name, &format!("its type {} is not supported", info.dtype))
            })?;
            let (from, to) = info.data_offsets;
            let placed = Placed {
                dtype,
                shape: info.shape.clone(),
                begin: 8 + length + from as u64,
                bytes: to - from,
            };
            tensors.insert(name, placed);
        }
        Ok(Self::Safetensors { tensors, file })
    }

    /// The tensors that have not been taken.
    pub(crate) fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self {
            Self::Torch { tensors, .. } => Box::new(tensors.keys().map(String::as_str)),
            Self::Safetensors { tensors, .. } => Box::new(tensors.keys().map(String::as_str)),
        }
    }

    /// Gives every tensor the name that `rename` makes of its own.
    pub(crate) fn rename(&mut self, rename: impl Fn(String) -> String) {
        match self {
            Self::Torch { tensors, .. } => renamed(tensors, rename),
            Self::Safetensors { tensors, .. } => renamed(tensors, rename),
        }
    }

    /// Reads a tensor, in the dtype that it has in the file; `None` if there is none of that name,
    /// or it was taken before.
    ///
    /// # Errors
    /// What is wrong with its data.
    pub(crate) fn take(&mut self, name: &str) -> Result<Option<Tensor>, String> {
        match self {
            Self::Torch { tensors, storages } => {
                let Some(info) = tensors.remove(name) else {
                    return Ok(None);
                };
                let available = storages.file_size();
                let read = |out: &mut [u8]| storages.fill(&info, out);
                tensor(dtype(info.element), &info.shape, available, read).map(Some)
            }
            Self::Safetensors { tensors, file } => {
                let Some(placed) = tensors.remove(name) else {
                    return Ok(None);
                };
                let read = |out: &mut [u8]| {
                    if out.len() != placed.bytes {
                        return Err("its data have another size than its shape".to_owned());
                    }
                    file.seek(SeekFrom::Start(placed.begin))
                        .and_then(|_| file.read_exact(out))
                        .map_err(|e| e.to_string())
                };
                let available = placed.bytes as u64;
                tensor(placed.dtype, &placed.shape, available, read).map(Some)
            }
        }
    }

    /// Checks the data of what was not taken, as far as the file has checksums.
    ///
    /// # Errors
    /// What is damaged.
    pub(crate) fn finish(self) -> Result<(), String> {
        match self {
            Self::Torch { storages, .. } => storages.finish(),
            Self::Safetensors { .. } => Ok(()),
        }
    }
}

fn renamed<T>(tensors: &mut BTreeMap<String, T>, rename: impl Fn(String) -> String) {
    let named = std::mem::take(tensors).into_iter();
    *tensors = named.map(|(name, tensor)| (rename(name), tensor)).collect();
}

/// The error of a file that cannot be read.
pub(crate) fn damaged(path: &Path, reason: &str) -> Error {
    Error::format(path, format!("not a readable weight file: {reason}"))
}

fn dtype(element: Element) -> DType {
    match element {
        Element::F64 => DType::F64,
        Element::F32 => DType::F32,
        Element::F16 => DType::F16,
        Element::BF16 => DType::BF16,
        Element::I64 => DType::I64,
        Element::I32 => DType::I32,
        Element::I16 => DType::I16,
        Element::U8 => DType::U8,
    }
}

/// A tensor whose bytes `read` fills in, of which there are at most `available`. Floats are read in
/// place.
fn tensor(
    dtype: DType,
    shape: &[usize],
    available: u64,
    read: impl FnOnce(&mut [u8]) -> Result<(), String>,
) -> Result<Tensor, String> {
    let elements = shape.iter().try_fold(1_usize, |n, &d| n.checked_mul(d));
    let elements = elements.ok_or("its size overflows")?;
    let bytes = elements.checked_mul(dtype.size_in_bytes());
    if bytes.is_none_or(|bytes| bytes as u64 > available) {
        return Err("it is larger than the file".to_owned());
    }
    let made = match dtype {
        DType::F32 => Tensor::from_vec(filled::<f32>(elements, read)?, shape, &Device::Cpu),
        DType::F16 => Tensor::from_vec(filled::<half::f16>(elements, read)?, shape, &Device::Cpu),
        DType::BF16 => Tensor::from_vec(filled::<half::bf16>(elements, read)?, shape, &Device::Cpu),
        other => {
            let size = elements.checked_mul(other.size_in_bytes());
            let bytes = filled::<u8>(size.ok_or("its size overflows")?, read)?;
            Tensor::from_raw_buffer(&bytes, other, shape, &Device::Cpu)
        }
    };
    made.map_err(|e| without_backtrace(e).to_string())
}

/// So many elements, filled in by `read`. Files are little-endian, as is every machine that candle
/// runs on.
fn filled<T: bytemuck::Pod>(
    elements: usize,
    read: impl FnOnce(&mut [u8]) -> Result<(), String>,
) -> Result<Vec<T>, String> {
    let mut values =
        bytemuck::try_zeroed_vec(elements).map_err(|()| "it does not fit in memory")?;
    read(bytemuck::cast_slice_mut(&mut values))?;
    Ok(values)
}

pub(crate) fn in_tensor(name: &str, reason: &str) -> String {
    format!("tensor `{}`: {reason}", shown(name))
}
