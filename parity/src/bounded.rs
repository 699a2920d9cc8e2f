//! Text files of people and programs, read up to a size: a device or a wrong file is refused
//! before it fills the memory.
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::cast_possible_truncation)
)]

use std::io::{self, Read as _};
use std::path::Path;

/// Largest file that people write by hand: cases and limits.
pub(crate) const HAND_WRITTEN: u64 = 16 << 20;

/// Reads the text in `path`, of `most` bytes at most.
///
/// # Errors
/// If the file cannot be read, is larger, or is not UTF-8.
pub(crate) fn read_text(path: &Path, most: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path)?;
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::other(format!(
            "the file is larger than {most} bytes"
        )));
    }
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        io::Error::other(format!("the file is not UTF-8 text: byte {at}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_bound() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, "four").unwrap();
        assert_eq!(read_text(&path, 4).unwrap(), "four");
        let message = read_text(&path, 3).unwrap_err().to_string();
        assert_eq!(message, "the file is larger than 3 bytes");
        std::fs::write(&path, b"ab\xff").unwrap();
        let message = read_text(&path, 9).unwrap_err().to_string();
        assert_eq!(message, "the file is not UTF-8 text: byte 2");
    }

    #[cfg(unix)]
    #[test]
    fn a_device_that_never_ends_is_refused() {
        let message = read_text(Path::new("/dev/zero"), 1 << 10).unwrap_err();
        assert!(message.to_string().contains("larger than 1024 bytes"));
    }
}
