use std::path::{Path, PathBuf};

use super::html::html;
use super::junit::junit;
use crate::atomic;
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
    /// The report could not be rendered.
    #[error("{}: {reason}", path.display())]
    Render {
        /// The file.
        path: PathBuf,
        /// The renderer's error.
        reason: String,
    },
}

/// Writes `report.json`, `index.html` and `junit.xml` into `dir`. Each appears whole or not at all.
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
        ("index.html", html(report)),
        ("junit.xml", junit(report)),
    ];
    for (name, content) in files {
        let path = dir.join(name);
        let content = content.map_err(|reason| WriteError::Render {
            path: path.clone(),
            reason,
        })?;
        atomic::write_file(&path, content.as_bytes())
            .map_err(|source| WriteError::Io { path, source })?;
    }
    Ok(())
}
