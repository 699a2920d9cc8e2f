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
    pub(crate) fn read(&mut self, tensor: &TensorInfo) -> Result<Vec<u8>, String> {
        let size = self.account(tensor)?;
        let Self { source, last, .. } = self;
        let storage = match last {
            Some((key, storage)) if *key == tensor.storage => storage,
            last => {
                let read = match source {
                    Source::Zipped(zip) => zip.storage(&tensor.storage)?,
                    Source::Legacy(legacy) => legacy.storage(&tensor.storage)?,
                };
                &mut last.insert((tensor.storage.clone(), read)).1
            }
        };
        check_length(tensor, storage.len() as u64, size)?;
        tensor.gather(storage)
    }

    /// Like [`Self::read`], into `out`, which has the tensor's size. Of a tensor that is a whole storage
    /// nothing is kept, so that it is in memory once.
    pub(crate) fn fill(&mut self, tensor: &TensorInfo, out: &mut [u8]) -> Result<(), String> {
        if !tensor.is_whole() || tensor.size() != Some(out.len() as u64) {
            let read = self.read(tensor)?;
            if read.len() != out.len() {
                return Err("it has another size than it states".to_owned());
            }
            out.copy_from_slice(&read);
            return Ok(());
        }
        let size = self.account(tensor)?;
        let key = &tensor.storage;
        let length = match &mut self.source {
            Source::Zipped(zip) => zip.fill(key, out)?,
            Source::Legacy(legacy) => legacy.fill(key, out)?,
        };
        check_length(tensor, length, size)
    }

    /// Bytes of the whole file, which no tensor exceeds.
    pub(crate) fn file_size(&self) -> u64 {
        self.file_size
    }

    /// The bytes of a tensor's storage, once the tensor itself is within what may be read.
    fn account(&mut self, tensor: &TensorInfo) -> Result<u64, String> {
        let size = tensor.storage_size().filter(|&size| size <= self.file_size);
        let size = size.ok_or_else(|| {
            format!(
                "its storage of {} elements is larger than the file",
                tensor.storage_elements
            )
        })?;
        let bytes = tensor.size().ok_or("its size overflows")?;
        self.budget = self
            .budget
            .checked_sub(bytes)
            .ok_or("the tensors that share data add up to more than four times the file")?;
        Ok(size)
    }

    /// Checks what no tensor has been read from.
    pub(crate) fn finish(self) -> Result<(), String> {
        match self.source {
            Source::Zipped(zip) => zip.finish(),
            Source::Legacy(_) => Ok(()),
        }
    }
}

/// Holds a storage's length in the file against what the pickle says of it.
fn check_length(tensor: &TensorInfo, length: u64, promised: u64) -> Result<(), String> {
    if length == promised {
        return Ok(());
    }
    Err(format!(
        "its storage has {length} bytes, and the pickle promises {} elements of {}",
        tensor.storage_elements,
        tensor.element.size()
    ))
}
