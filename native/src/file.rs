//! What every file of a model goes through before it is parsed.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use crate::{Error, Result};

/// Begins every pointer that Git LFS leaves in place of a file it has not fetched; earlier versions
/// had another host.
const LFS_POINTERS: [&[u8]; 2] = [
    b"version https://git-lfs.github.com/spec/",
    b"version https://hawser.github.com/spec/",
];

/// Opens a model file for reading and says how many bytes it has.
///
/// # Errors
/// If it cannot be opened, is no regular file, or is only a stand-in for the file that is meant: a
/// Git LFS pointer, a web page, or nothing at all.
pub(crate) fn open(path: &Path) -> Result<(File, u64)> {
    let mut file = File::open(path).map_err(Error::io(path))?;
    let metadata = file.metadata().map_err(Error::io(path))?;
    if !metadata.is_file() {
        return Err(Error::format(path, "is not a regular file"));
    }
    let mut head = Vec::new();
    let begin = file.by_ref().take(64).read_to_end(&mut head);
    begin.and_then(|_| file.rewind()).map_err(Error::io(path))?;
    match stand_in(&head) {
        Some(what) => Err(Error::format(path, what)),
        None => Ok((file, metadata.len())),
    }
}

/// Checks a model file that another reads.
///
/// # Errors
/// As for [`open`], and if it has more than `limit` bytes, which no file of its kind needs.
pub(crate) fn check(path: &Path, limit: u64) -> Result<File> {
    let (file, size) = open(path)?;
    if size <= limit {
        return Ok(file);
    }
    Err(Error::format(
        path,
        format!("has {size} bytes, more than a file of its kind needs ({limit} at most)"),
    ))
}

/// Reads a model file whole.
///
/// # Errors
/// As for [`check`].
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let file = check(path, limit)?;
    let mut bytes = Vec::new();
    // A file that grows while it is read must not outgrow the limit.
    file.take(limit)
        .read_to_end(&mut bytes)
        .map_err(Error::io(path))?;
    Ok(bytes)
}

/// Reads a model file of text.
///
/// # Errors
/// As for [`read`], and if it is not UTF-8.
pub(crate) fn read_text(path: &Path, limit: u64) -> Result<String> {
    String::from_utf8(read(path, limit)?).map_err(|_| Error::format(path, "not UTF-8 text"))
}

/// What stands in place of a file, if its first bytes are not the file's own.
pub(crate) fn stand_in(head: &[u8]) -> Option<&'static str> {
    let begins = |what: &[u8]| {
        let head = head.get(..what.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(what))
    };
    if head.is_empty() {
        Some("is empty: download it again")
    } else if LFS_POINTERS.iter().any(|pointer| begins(pointer)) {
        Some("is a Git LFS pointer, not the file itself: run `git lfs pull` where it was cloned")
    } else if begins(b"<!doctype html") || begins(b"<html") {
        Some("is a web page, not the file itself: the download failed; download it again")
    } else {
        None
    }
}

/// A name out of a file as a message can show it: without control characters, and not too long.
pub(crate) fn shown(name: &str) -> String {
    const LONGEST: usize = 80;
    let mut shown: String = name
        .chars()
        .take(LONGEST)
        .flat_map(char::escape_debug)
        .collect();
    if name.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_without_control_characters_and_cut() {
        assert_eq!(shown("a.b"), "a.b");
        assert_eq!(shown("a\u{1b}[2J\n"), r"a\u{1b}[2J\n");
        assert_eq!(shown(&"x".repeat(100)).chars().count(), 81);
    }

    #[test]
    fn a_file_beyond_its_limit_or_of_another_kind_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, b"12345").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        let error = read(&path, 4).unwrap_err().to_string();
        assert!(error.contains("5 bytes"), "{error}");
        let error = open(dir.path()).unwrap_err().to_string();
        assert!(error.contains("not a regular file"), "{error}");
    }
}
