//! A part of a file, which moves with what is asked for.
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::cast_possible_truncation)
)]

use super::source::Source;

/// Bytes that are read at a time: twice the largest Ogg page.
const WINDOW_BYTES: usize = 1 << 17;

pub(super) struct Window {
    source: Source,
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    pub(super) fn new(source: Source) -> Self {
        Self {
            source,
            start: 0,
            bytes: Vec::new(),
        }
    }

    /// The number of bytes of the whole file.
    pub(super) fn size(&self) -> u64 {
        self.source.size()
    }

    /// `count` bytes from `at` on; `None` if the file ends before.
    pub(super) fn get(&mut self, at: u64, count: usize) -> Result<Option<&[u8]>, String> {
        Ok(self.ahead(at, count)?.get(..count))
    }

    /// The bytes from `at` on that are at hand, at least `count` unless the file ends before.
    pub(super) fn ahead(&mut self, at: u64, count: usize) -> Result<&[u8], String> {
        let inside = |offset: usize| self.bytes.len().checked_sub(offset) >= Some(count);
        let offset = match self.offset(at) {
            Some(offset) if inside(offset) => offset,
            _ => {
                self.bytes = super::bytes_at(&mut self.source, at, WINDOW_BYTES.max(count))?;
                self.start = at;
                0
            }
        };
        Ok(self.bytes.get(offset..).unwrap_or_default())
    }

    fn offset(&self, at: u64) -> Option<usize> {
        usize::try_from(at.checked_sub(self.start)?).ok()
    }
}
