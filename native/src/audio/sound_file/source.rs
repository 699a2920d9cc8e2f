//! The bytes of a sound file: a regular file, or a pipe that was read to its end.
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::cast_possible_truncation)
)]

use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use symphonia::core::io::MediaSource;

use crate::{Error, Result};

/// The most that is read from a pipe: a minute of stereo as 32-bit floats at 96 kHz, and room.
const PIPE_BYTES: u64 = 64 << 20;

/// A sound file's bytes, with their number.
pub(super) struct Source {
    input: Input,
    /// Bytes of the input that do not count.
    skipped: u64,
    /// Bytes after those.
    bytes: u64,
}

enum Input {
    File(File),
    Memory(Cursor<Vec<u8>>),
}

impl Source {
    /// Opens a regular file, or reads a pipe.
    ///
    /// # Errors
    ///
    /// If `path` is neither, cannot be read, or is a pipe that brings more than 64 MiB.
    pub(super) fn open(path: &Path) -> Result<Self> {
        // Before it is opened: opening a device can do anything.
        let kind = std::fs::metadata(path)
            .map_err(Error::io(path))?
            .file_type();
        if kind.is_dir() {
            return Err(Error::format(path, "is a folder, not a sound file"));
        }
        if !kind.is_file() && !is_pipe(kind) {
            return Err(Error::format(
                path,
                "is neither a regular file nor a pipe; give a sound file",
            ));
        }
        let file = File::open(path).map_err(Error::io(path))?;
        if !kind.is_file() {
            return Self::piped(file, path);
        }
        let bytes = file.metadata().map_err(Error::io(path))?.len();
        Ok(Self {
            input: Input::File(file),
            skipped: 0,
            bytes,
        })
    }

    fn piped(pipe: File, path: &Path) -> Result<Self> {
        let mut bytes = Vec::new();
        pipe.take(PIPE_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(Error::io(path))?;
        if bytes.len() as u64 > PIPE_BYTES {
            return Err(Error::format(
                path,
                format!(
                    "brings more than {} MiB through a pipe; give a file, or a shorter sound",
                    PIPE_BYTES >> 20
                ),
            ));
        }
        Ok(Self::from(bytes))
    }

    /// The number of bytes.
    pub(super) fn size(&self) -> u64 {
        self.bytes
    }

    /// Leaves out the first `count` bytes from now on.
    pub(super) fn skip(&mut self, count: u64) {
        let count = count.min(self.bytes);
        self.skipped += count;
        self.bytes -= count;
    }

    /// Up to `count` bytes from `at` on: fewer where the file ends before, none beyond its end.
    pub(super) fn bytes_at(&mut self, at: u64, count: usize) -> std::io::Result<Vec<u8>> {
        let there = self.bytes.saturating_sub(at).min(count as u64);
        // A header may name a place that no system call takes.
        if there == 0 {
            return Ok(Vec::new());
        }
        self.seek(SeekFrom::Start(at))?;
        let mut bytes = Vec::with_capacity(usize::try_from(there).unwrap_or_default());
        Read::by_ref(self).take(there).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

impl From<Vec<u8>> for Source {
    fn from(bytes: Vec<u8>) -> Self {
        Self {
            bytes: bytes.len() as u64,
            skipped: 0,
            input: Input::Memory(Cursor::new(bytes)),
        }
    }
}

#[cfg(unix)]
fn is_pipe(kind: std::fs::FileType) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    kind.is_fifo()
}

#[cfg(not(unix))]
fn is_pipe(_: std::fs::FileType) -> bool {
    false
}

impl Read for Source {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        match &mut self.input {
            Input::File(file) => file.read(into),
            Input::Memory(bytes) => bytes.read(into),
        }
    }
}

impl Seek for Source {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        let to = match to {
            SeekFrom::Start(at) => SeekFrom::Start(self.skipped.saturating_add(at)),
            other => other,
        };
        let at = match &mut self.input {
            Input::File(file) => file.seek(to),
            Input::Memory(bytes) => bytes.seek(to),
        }?;
        Ok(at.saturating_sub(self.skipped))
    }
}

impl MediaSource for Source {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.bytes)
    }
}
