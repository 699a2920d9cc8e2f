//! The archive of torch 1.6 and later: a zip of stored entries.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, Read};

use zip::read::{ArchiveOffset, Config, ZipFile};
use zip::{CompressionMethod, ZipArchive};

use super::pickle;

pub(super) struct Zipped {
    zip: ZipArchive<BufReader<File>>,
    /// The folder that everything is in.
    folder: String,
    /// The entries whose checksums have been compared.
    checked: HashSet<usize>,
}

impl Zipped {
    /// Opens the archive and reads its pickle.
    pub(super) fn open(file: File) -> Result<(Vec<u8>, Self), String> {
        // Nothing may stand before the archive.
        let config = Config {
            archive_offset: ArchiveOffset::Known(0),
        };
        let zip = ZipArchive::with_config(config, BufReader::new(file))
            .map_err(|e| format!("not a file of `torch.save`, or cut short: {e}"))?;
        let mut archive = Self {
            zip,
            folder: String::new(),
            checked: HashSet::new(),
        };
        if archive.zip.has_duplicate_names() {
            return Err("two entries of the archive have one name".to_owned());
        }
        let overlap = archive.zip.has_overlapping_entries();
        if overlap.map_err(|e| format!("a damaged archive: {e}"))? {
            return Err("entries of the archive overlap".to_owned());
        }
        archive.folder = archive.find_folder()?;
        if let Some(order) = archive.entry("byteorder", 64)?
            && order != b"little"
        {
            return Err("was written by a big-endian machine, which is not supported".to_owned());
        }
        let pickle = archive.entry("data.pkl", pickle::MAX_BYTES)?;
        let pickle = pickle.ok_or("not a file of `torch.save`: it has no data.pkl")?;
        Ok((pickle, archive))
    }

    fn find_folder(&self) -> Result<String, String> {
        let names = self.zip.file_names();
        let mut folders = names.filter_map(|name| {
            let name = name.ok()?;
            let folder = name.strip_suffix("data.pkl")?;
            (folder.is_empty() || folder.ends_with('/')).then(|| folder.to_owned())
        });
        let folder = folders
            .next()
            .ok_or("not a file of `torch.save`: it has no data.pkl")?;
        if folders.next().is_some() {
            return Err("it has more than one data.pkl".to_owned());
        }
        Ok(folder)
    }

    /// The data of one storage.
    pub(super) fn storage(&mut self, key: &str) -> Result<Vec<u8>, String> {
        // Entries are stored and do not overlap, so the file's size bounds every one.
        let data = self.entry(&format!("data/{key}"), usize::MAX)?;
        data.ok_or_else(|| format!("the archive has no data/{}", crate::file::shown(key)))
    }

    /// Reads the data of one storage into `out`, if they are as long, and says how long they are.
    pub(super) fn fill(&mut self, key: &str, out: &mut [u8]) -> Result<u64, String> {
        let name = format!("{}data/{key}", self.folder);
        let index = self.zip.index_for_name(&name);
        let index =
            index.ok_or_else(|| format!("the archive has no data/{}", crate::file::shown(key)))?;
        let (mut entry, name) = self.stored(index)?;
        let size = entry.size();
        if size == out.len() as u64 {
            // The checksum is compared where the entry ends.
            let read = entry.read_exact(out);
            read.and_then(|()| entry.read(&mut [0]))
                .map_err(|e| format!("{name} in the archive: the file is damaged ({e})"))?;
            drop(entry);
            self.checked.insert(index);
        }
        Ok(size)
    }

    fn entry(&mut self, name: &str, limit: usize) -> Result<Option<Vec<u8>>, String> {
        let name = format!("{}{name}", self.folder);
        match self.zip.index_for_name(&name) {
            Some(index) => self.read(index, limit).map(Some),
            None => Ok(None),
        }
    }

    /// Reads an entry and compares its checksum.
    fn read(&mut self, index: usize, limit: usize) -> Result<Vec<u8>, String> {
        let (mut entry, name) = self.stored(index)?;
        let wrong = |reason: String| format!("{name} in the archive: {reason}");
        let size = entry.size();
        if size > limit as u64 {
            return Err(wrong(format!("has {size} bytes, at most {limit} are read")));
        }
        let mut bytes = Vec::new();
        bytes
            .try_reserve_exact(usize::try_from(size).map_err(|e| wrong(e.to_string()))?)
            .map_err(|e| wrong(e.to_string()))?;
        entry
            .read_to_end(&mut bytes)
            .map_err(|e| wrong(format!("the file is damaged ({e})")))?;
        if bytes.len() as u64 != size {
            return Err(wrong(format!("has {} of {size} bytes", bytes.len())));
        }
        drop(entry);
        self.checked.insert(index);
        Ok(bytes)
    }

    /// An entry that lies in the archive as it is, and its name for messages.
    fn stored(&mut self, index: usize) -> Result<(ZipFile<'_, BufReader<File>>, String), String> {
        let name = match self.zip.name_for_index(index) {
            Some(Ok(name)) => crate::file::shown(&name),
            _ => format!("entry {index}"),
        };
        let wrong = |reason: String| format!("{name} in the archive: {reason}");
        let entry = self.zip.by_index(index).map_err(|e| wrong(e.to_string()))?;
        if entry.compression() != CompressionMethod::Stored || entry.encrypted() {
            return Err(wrong(
                "is compressed or encrypted, which torch.save never does".to_owned(),
            ));
        }
        if entry.size() != entry.compressed_size() {
            return Err(wrong("states two sizes".to_owned()));
        }
        Ok((entry, name))
    }

    /// Compares the checksums of the entries that nothing was read from.
    pub(super) fn finish(mut self) -> Result<(), String> {
        for index in 0..self.zip.len() {
            if !self.checked.contains(&index) {
                self.read(index, usize::MAX)?;
            }
        }
        Ok(())
    }
}
