//! Reading a `report.json` again. What it says of itself is not believed: every verdict is derived
//! from what it rests on.
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::cast_possible_truncation)
)]

mod derive;

use std::path::{Path, PathBuf};

use crate::bounded;
use crate::report::model::{OLDEST_REPORT_VERSION, REPORT_VERSION, Report};

/// Largest report: sounds and pictures are in it.
const LARGEST: u64 = 1 << 30;

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

/// Reads a `report.json` of this version or of an older one, which is brought up to date. No verdict
/// is better than the checks below it, whatever the file says.
///
/// # Errors
/// If the file cannot be read, is of an unknown version, is not a report, or contradicts itself.
pub fn read(path: &Path) -> Result<Report, ReadError> {
    #[derive(serde::Deserialize)]
    struct Versioned {
        version: u64,
    }
    let format = |reason: String| ReadError::Format {
        path: path.to_owned(),
        reason,
    };
    let text = bounded::read_text(path, LARGEST).map_err(|source| ReadError::Io {
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
    derive::derived(report).map_err(|reason| {
        format(format!(
            "{reason}; the report is not as it was written, so make it again"
        ))
    })
}
