use std::path::{Path, PathBuf};

use super::html::page;
use super::junit::junit;
use crate::report::model::Report;

/// A report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A file or folder could not be created.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// A file could not be written.
    #[error(transparent)]
    Place(#[from] parity_atomic::Error),
    /// The report could not be rendered.
    #[error("{}: {reason}", path.display())]
    Render {
        /// The file.
        path: PathBuf,
        /// The renderer's error.
        reason: String,
    },
}

/// Writes `report.json`, `index.html` and `junit.xml` into `dir`. Each appears whole or not at all, and
/// none is replaced before all of them are on the disk.
///
/// # Errors
/// If a file cannot be written, or if a template fails, which would be a bug.
pub fn write(report: &Report, dir: &Path) -> Result<(), WriteError> {
    std::fs::create_dir_all(dir).map_err(|source| WriteError::Io {
        path: dir.to_owned(),
        source,
    })?;
    let json = serde_json::to_string(report)
        .map_err(|e| e.to_string())
        .map(|j| j + "\n");
    let files = [
        ("report.json", json),
        ("index.html", page(report, Some(dir))),
        ("junit.xml", junit(report)),
    ];
    let mut contents = Vec::new();
    for (name, content) in files {
        let path = dir.join(name);
        match content {
            Ok(content) => contents.push((path, content)),
            Err(reason) => return Err(WriteError::Render { path, reason }),
        }
    }
    let contents = contents.iter().map(|(path, c)| (&**path, c.as_bytes()));
    Ok(parity_atomic::write_files(contents)?)
}
