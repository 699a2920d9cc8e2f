//! Names beside a target: hidden, and long enough that nobody else's file has one.

use std::ffi::OsString;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::path::{Path, PathBuf};

use crate::Error;

/// What is in the making, or has just been replaced.
pub const PART: &str = "parity-part";
/// The old folder, between two renames, where the two cannot be exchanged at once.
pub const OLD: &str = "parity-old";
/// The lock.
pub const LOCK: &str = "parity-lock";

/// The longest name that file systems in use take, in bytes.
const LONGEST: usize = 255;

/// `.NAME.kind` beside `target`; a name that would be too long is replaced by its hash.
pub fn beside(target: &Path, kind: &str) -> io::Result<PathBuf> {
    let Some(name) = target.file_name() else {
        let reason = "it has no name of its own: name a folder inside it";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    };
    let mut hidden = OsString::from(".");
    if name.len() + kind.len() + 2 <= LONGEST {
        hidden.push(name);
    } else {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        hidden.push(format!("{:016x}", hasher.finish()));
    }
    hidden.push(".");
    hidden.push(kind);
    Ok(target.with_file_name(hidden))
}

/// The place that `path` leads to: absolute, and with links followed.
pub fn resolve(path: &Path) -> Result<PathBuf, Error> {
    let absolute = std::path::absolute(path).map_err(Error::io(path))?;
    match absolute.canonicalize() {
        Ok(real) => Ok(real),
        Err(_) if absolute.is_symlink() => Err(Error::Dangling {
            path: path.to_owned(),
        }),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(absolute),
        Err(e) => Err(Error::io(path)(e)),
    }
}

/// The folder in which `path` lies; `path` is absolute.
pub fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}
