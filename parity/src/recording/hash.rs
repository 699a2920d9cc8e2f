use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::{Error, FileHash};

/// SHA-256 in lower-case hexadecimals.
pub fn sha256(bytes: &[u8]) -> String {
    hex(Sha256::digest(bytes).as_slice())
}

/// SHA-256 and length of a file, which is read in blocks because weight files are large.
///
/// # Errors
/// If the file cannot be read.
pub fn sha256_file(path: impl AsRef<Path>) -> Result<FileHash, Error> {
    let path = path.as_ref();
    let mut file = std::fs::File::open(path).map_err(Error::io(path))?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut bytes = 0;
    loop {
        match file.read(&mut buffer).map_err(Error::io(path))? {
            0 => break,
            n => {
                digest.update(buffer.get(..n).unwrap_or_default());
                bytes += n as u64;
            }
        }
    }
    Ok(FileHash {
        sha256: hex(digest.finalize().as_slice()),
        bytes,
    })
}

/// Why `bytes` have not the hash `expected` that was recorded, in words; `None` if they have it.
pub(crate) fn difference(bytes: &[u8], expected: &str) -> Option<&'static str> {
    if sha256(bytes) == expected {
        return None;
    }
    let unified = unified_line_ends(bytes);
    let only_line_ends = unified.len() < bytes.len() && sha256(&unified) == expected;
    Some(match only_line_ends {
        true => LINE_ENDS,
        false => "its content is not what was recorded (sha256 differs)",
    })
}

/// What a file is whose line ends Git has rewritten, and the way out.
pub(crate) const LINE_ENDS: &str = "its line ends were turned into CRLF, as Git does with \
    core.autocrlf; run `git config core.autocrlf false` and check it out again";

/// `bytes` with LF in place of CRLF.
pub(crate) fn unified_line_ends(bytes: &[u8]) -> Vec<u8> {
    let next = bytes.iter().skip(1).map(Some).chain([None]);
    let kept = bytes.iter().zip(next);
    kept.filter(|(byte, next)| !(**byte == b'\r' && *next == Some(&b'\n')))
        .map(|(byte, _)| *byte)
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_with_other_line_ends_is_told_of_them() {
        let expected = sha256(b"{\n}\n");
        assert_eq!(difference(b"{\n}\n", &expected), None);
        for crlf in ["{\r\n}\r\n", "{\r\n}\n"] {
            assert_eq!(difference(crlf.as_bytes(), &expected), Some(LINE_ENDS));
        }
        for other in ["{\r}\n", "{\r\n }\r\n", "{}\n"] {
            let reason = difference(other.as_bytes(), &expected).unwrap();
            assert!(reason.contains("sha256 differs"), "{other:?}: {reason}");
        }
    }

    #[test]
    fn hashes_match_fips_180() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(b"abc"), abc);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("abc");
        std::fs::write(&path, b"abc").unwrap();
        assert_eq!(
            sha256_file(&path).unwrap(),
            FileHash {
                sha256: abc.into(),
                bytes: 3
            }
        );
    }
}
