//! The files of `torch.save`: a pickle that describes tensors, and their raw data.
//!
//! Both formats are read that `torch.load` reads: the zip archive of torch 1.6 and later, and the
//! plain sequence of pickles and data before it. Nothing in a pickle is executed, and every size in
//! a file is held against the file before anything is allocated for it.
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::cast_possible_truncation)
)]

mod legacy;
mod pickle;
mod storage;
mod tensor;
mod zipped;

use std::io::Read;
use std::path::Path;

use crate::{Error, Result, file};
use legacy::Legacy;
pub(crate) use pickle::{Object, Objects};
pub(crate) use storage::Element;
pub(crate) use tensor::TensorInfo;
use zipped::Zipped;

/// An open file: the bytes of its pickle, and where its tensors' data are.
pub(crate) struct TorchFile {
    pub(crate) pickle: Vec<u8>,
    pub(crate) storages: Storages,
}

/// The raw data of a file's tensors.
pub(crate) struct Storages {
    source: Source,
    /// Bytes of the whole file.
    file_size: u64,
    /// Bytes that may still be handed out, so that tensors which overlap in the file cannot add up
    /// to many times its size.
    budget: u64,
    /// The storage that was read last: tensors may share one.
    last: Option<(String, Vec<u8>)>,
}

enum Source {
    Zipped(Box<Zipped>),
    Legacy(Legacy),
}

impl TorchFile {
    /// Opens a file in either format.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let (mut file, size) = file::open(path)?;
        let mut head = Vec::new();
        let mut magic = file.by_ref().take(legacy::TAR_END);
        magic.read_to_end(&mut head).map_err(Error::io(path))?;
        let opened = if head.starts_with(legacy::MAGIC) {
            Legacy::open(file, size).map(|(pickle, legacy)| (pickle, Source::Legacy(legacy)))
        } else if legacy::is_tar(&head) {
            Err(legacy::TAR.to_owned())
        } else {
            Zipped::open(file).map(|(pickle, zip)| (pickle, Source::Zipped(Box::new(zip))))
        };
        let (pickle, source) = opened.map_err(|reason| Error::format(path, reason))?;
        Ok(Self {
            pickle,
            storages: Storages {
                source,
                file_size: size,
                budget: size.saturating_mul(4),
                last: None,
            },
        })
    }

    /// Runs the pickle of [`Self::pickle`].
    pub(crate) fn objects(pickle: &[u8]) -> Result<Objects<'_>, String> {
        let objects = Objects::parse(pickle)?;
        if objects.length != pickle.len() {
            return Err(format!(
                "{} bytes follow the end of its pickle",
                pickle.len() - objects.length
            ));
        }
        Ok(objects)
    }
}

impl Storages {
    /// The elements of a tensor, row-major and little-endian.
    pub(crate) fn read(&mut self, tensor: &TensorInfo<'_>) -> Result<Vec<u8>, String> {
        let Self {
            source,
            file_size,
            budget,
            last,
        } = self;
        let size = tensor.storage_size();
        if size.is_none_or(|size| size > *file_size) {
            return Err(format!(
                "its storage of {} elements is larger than the file",
                tensor.storage_elements
            ));
        }
        let bytes = tensor.size().ok_or("its size overflows")?;
        *budget = budget
            .checked_sub(bytes)
            .ok_or("the tensors that share data add up to more than four times the file")?;
        let storage = match last {
            Some((key, storage)) if key == tensor.storage => storage,
            last => {
                let read = match source {
                    Source::Zipped(zip) => zip.storage(tensor.storage)?,
                    Source::Legacy(legacy) => legacy.storage(tensor.storage)?,
                };
                &mut last.insert((tensor.storage.to_owned(), read)).1
            }
        };
        if Some(storage.len() as u64) != size {
            return Err(format!(
                "its storage has {} bytes, and the pickle promises {} elements of {}",
                storage.len(),
                tensor.storage_elements,
                tensor.element.size()
            ));
        }
        tensor.gather(storage)
    }

    /// Checks what no tensor has been read from.
    pub(crate) fn finish(self) -> Result<(), String> {
        match self.source {
            Source::Zipped(zip) => zip.finish(),
            Source::Legacy(_) => Ok(()),
        }
    }
}
