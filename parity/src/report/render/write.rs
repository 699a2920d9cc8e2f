use std::path::{Path, PathBuf};

use super::html::html;
use super::junit::junit;
use crate::report::model::{OLDEST_REPORT_VERSION, REPORT_VERSION, Report};

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

/// A report could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file could not be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// The file is not a report, or of an unknown version.
    #[error("{}: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
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
        ("index.html", html(report)),
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

/// Reads a `report.json` of this version or of an older one, which is brought up to date.
///
/// # Errors
/// If the file cannot be read, is of an unknown version, or is not a report.
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
    if !(u64::from(OLDEST_REPORT_VERSION)..=u64::from(REPORT_VERSION)).contains(&version) {
        return Err(format(format!(
            "report version {version}, but this program reads {OLDEST_REPORT_VERSION} to \
             {REPORT_VERSION}; write it again with `parity judge`"
        )));
    }
    let report: Report = serde_json::from_str(&text).map_err(|e| format(e.to_string()))?;
    Ok(Report {
        version: REPORT_VERSION,
        ..report
    })
}
