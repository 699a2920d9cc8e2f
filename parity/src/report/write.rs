use std::path::{Path, PathBuf};

use super::html::html;
use super::json::{REPORT_VERSION, Report};
use super::junit::junit;
use crate::atomic;

/// A report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The report could not be put into its form.
    #[error("{}: {reason}", path.display())]
    Render {
        /// The file.
        path: PathBuf,
        /// What the renderer said.
        reason: String,
    },
}

/// A report could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file could not be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The file is no report of this version.
    #[error("{}: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong, and the way out.
        reason: String,
    },
}

/// Writes `report.json`, `index.html` and `junit.xml` into `dir`. Each appears whole or not at all.
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

/// Reads a `report.json`.
pub fn read(path: &Path) -> Result<Report, ReadError> {
    #[derive(serde::Deserialize)]
    struct Versioned {
        version: u64,
    }
    let format = |reason: String| ReadError::Format {
        path: path.to_owned(),
        reason,
    };
    let text = std::fs::read_to_string(path).map_err(|source| ReadError::Io {
        path: path.to_owned(),
        source,
    })?;
    let Versioned { version } = serde_json::from_str(&text).map_err(|e| format(e.to_string()))?;
    if version != u64::from(REPORT_VERSION) {
        return Err(format(format!(
            "report version {version}, but this program reads {REPORT_VERSION}; write it again with `parity judge`"
        )));
    }
    serde_json::from_str(&text).map_err(|e| format(e.to_string()))
}
