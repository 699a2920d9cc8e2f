//! The format before torch 1.6, which `torch.load` still reads: pickles of a magic number, the
//! format's version, the machine, the object and the storages' names; then each storage's length
//! and data. It has no checksums.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use super::pickle::{self, Object, Objects};

/// The pickle of the magic number 0x1950a86a20f9469cfc6c.
pub(super) const MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
const VERSION: i64 = 1001;

/// Where a tar archive says what it is.
const TAR_MAGIC: std::ops::Range<usize> = 257..262;
/// Bytes to read in order to recognise one.
pub(super) const TAR_END: u64 = TAR_MAGIC.end as u64;
pub(super) const TAR: &str = "is a tar archive, as torch before 0.1.10 wrote them: load it there \
                              and save it again with a newer one";

pub(super) fn is_tar(head: &[u8]) -> bool {
    head.get(TAR_MAGIC) == Some(b"ustar")
}

pub(super) struct Legacy {
    file: File,
    /// Where the data of each storage begin, and how many bytes they have.
    places: HashMap<String, (u64, u64)>,
}

impl Legacy {
    /// Reads everything but the data, and returns the object's pickle.
    pub(super) fn open(mut file: File, size: u64) -> Result<(Vec<u8>, Self), String> {
        let mut head = Vec::new();
        file.rewind()
            .and_then(|()| {
                let mut begin = file.by_ref().take(pickle::MAX_BYTES as u64);
                begin.read_to_end(&mut head)
            })
            .map_err(|e| e.to_string())?;
        let mut at = MAGIC.len();
        let mut next = |what: &str| -> Result<(Objects<'_>, std::ops::Range<usize>), String> {
            let rest = head.get(at..).unwrap_or_default();
            let pickle = Objects::parse(rest).map_err(|e| format!("{what}: {e}"))?;
            let range = at..at + pickle.length;
            at = range.end;
            Ok((pickle, range))
        };
        let (version, _) = next("the format's version")?;
        if version.root() != Object::Int(VERSION) {
            return Err(format!(
                "is of another version of the old format than {VERSION}"
            ));
        }
        // The sizes of C's types, which decide nothing, and the byte order: torch reads it as little.
        next("what is said about the machine")?;
        let (objects, object) = next("the object")?;
        let (keys, _) = next("the names of the storages")?;
        let widths: HashMap<&str, u64> = objects
            .storages()
            .map(|(key, element)| (key, element.size() as u64))
            .collect();
        let mut places = HashMap::new();
        let mut place = at as u64;
        for &key in keys.elements(keys.root()) {
            let Object::Text(key) = key else {
                return Err("the name of a storage is not text".to_owned());
            };
            let shown = crate::file::shown(key);
            let width = widths
                .get(key)
                .ok_or_else(|| format!("no tensor says what storage {shown} holds"))?;
            let mut count = [0; 8];
            file.seek(SeekFrom::Start(place))
                .and_then(|_| file.read_exact(&mut count))
                .map_err(|_| format!("the file ends before storage {shown}"))?;
            let begin = place + count.len() as u64;
            let count = i64::from_le_bytes(count);
            let bytes = u64::try_from(count)
                .ok()
                .and_then(|count| count.checked_mul(*width))
                .filter(|&bytes| bytes <= size.saturating_sub(begin))
                .ok_or_else(|| {
                    format!("storage {shown} states {count} elements, more than the file has")
                })?;
            place = begin + bytes;
            if places.insert(key.to_owned(), (begin, bytes)).is_some() {
                return Err(format!("two storages are named {shown}"));
            }
        }
        if place != size {
            return Err(format!("{} bytes follow its last storage", size - place));
        }
        let pickle = head.get(object).unwrap_or_default().to_vec();
        Ok((pickle, Self { file, places }))
    }

    /// Reads the data of one storage into `out`, if they are as long, and says how long they are.
    pub(super) fn fill(&mut self, key: &str, out: &mut [u8]) -> Result<u64, String> {
        let (begin, bytes) = self.place(key)?;
        if bytes == out.len() as u64 {
            self.file
                .seek(SeekFrom::Start(begin))
                .and_then(|_| self.file.read_exact(out))
                .map_err(|e| e.to_string())?;
        }
        Ok(bytes)
    }

    fn place(&self, key: &str) -> Result<(u64, u64), String> {
        let place = self.places.get(key).copied();
        place.ok_or_else(|| format!("the file has no storage {}", crate::file::shown(key)))
    }

    /// The data of one storage.
    pub(super) fn storage(&mut self, key: &str) -> Result<Vec<u8>, String> {
        let (begin, bytes) = self.place(key)?;
        let mut data = Vec::new();
        self.file
            .seek(SeekFrom::Start(begin))
            .and_then(|_| self.file.by_ref().take(bytes).read_to_end(&mut data))
            .map_err(|e| e.to_string())?;
        Ok(data)
    }
}
