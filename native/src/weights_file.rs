//! Reading weight files: name → tensor, on the CPU, in the dtype on disk.
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::cast_possible_truncation)
)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use safetensors::tensor::Metadata;

use crate::error::without_backtrace;
use crate::file::{self, shown};
use crate::torch_file::{Element, TensorInfo, TorchFile};
use crate::{Error, Result};

pub(crate) type Tensors = BTreeMap<String, Tensor>;

/// Reads a file in the format that its extension says.
///
/// # Errors
/// If it cannot be read, is damaged or holds no tensors.
pub(crate) fn read(path: &Path) -> Result<Tensors> {
    let damaged =
        |reason: String| Error::format(path, format!("not a readable weight file: {reason}"));
    let tensors = if path.extension().is_some_and(|e| e == "safetensors") {
        let (file, size) = file::open(path)?;
        read_safetensors(file, size).map_err(damaged)?
    } else {
        let TorchFile { pickle, storages } = TorchFile::open(path)?;
        read_torch(&pickle, storages).map_err(damaged)?
    };
    if tensors.is_empty() {
        return Err(Error::format(
            path,
            "holds no tensors: not a state dict, or cut short",
        ));
    }
    Ok(tensors)
}

fn read_torch(pickle: &[u8], mut storages: crate::torch_file::Storages) -> Result<Tensors, String> {
    let pickle = TorchFile::objects(pickle)?;
    let entries = pickle
        .dict(pickle.root())
        .ok_or("holds no dictionary of tensors by name: not a state dict")?;
    let mut wanted = Vec::with_capacity(entries.len());
    for (name, object) in entries {
        let info = TensorInfo::of(&pickle, object).map_err(|e| in_tensor(name, &e))?;
        let info =
            info.ok_or_else(|| in_tensor(name, "it is no tensor, so this is not a state dict"))?;
        wanted.push((info, name));
    }
    // Sorted by storage, so that each is read once.
    wanted.sort_unstable();
    let mut tensors = Tensors::new();
    let mut last: Option<(TensorInfo<'_>, Tensor)> = None;
    for (info, name) in wanted {
        // Tied weights share their memory, as they do in the file.
        let tensor = match &last {
            Some((same, tensor)) if *same == info => tensor.clone(),
            _ => {
                let bytes = storages.read(&info).map_err(|e| in_tensor(name, &e))?;
                tensor(&bytes, dtype(info.element), &info.shape)?
            }
        };
        if tensors.insert(name.to_owned(), tensor.clone()).is_some() {
            return Err(in_tensor(name, "it is there twice"));
        }
        last = Some((info, tensor));
    }
    storages.finish()?;
    Ok(tensors)
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

/// Reads tensor by tensor, in the order of the file: the data are never in memory twice.
fn read_safetensors(mut file: File, size: u64) -> Result<Tensors, String> {
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
    let mut tensors = Tensors::new();
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
        let dtype = DType::try_from(info.dtype)
            .map_err(|_| in_tensor(&name, &format!("its type {} is not supported", info.dtype)))?;
        let (from, to) = info.data_offsets;
        let mut bytes = vec![0; to - from];
        file.read_exact(&mut bytes)
            .map_err(|e| in_tensor(&name, &e.to_string()))?;
        let tensor = tensor(&bytes, dtype, &info.shape)?;
        tensors.insert(name, tensor);
    }
    Ok(tensors)
}

fn tensor(bytes: &[u8], dtype: DType, shape: &[usize]) -> Result<Tensor, String> {
    Tensor::from_raw_buffer(bytes, dtype, shape, &Device::Cpu)
        .map_err(|e| without_backtrace(e).to_string())
}

fn in_tensor(name: &str, reason: &str) -> String {
    format!("tensor `{}`: {reason}", shown(name))
}
