//! The values of both sides as files beside a report, for NumPy.

use std::path::Path;

use candle_core::{Device, Tensor};
use parity_atomic::Replacement;

use super::model::{Report, TensorFile};
use super::render::WriteError;
use crate::array::{Array, Data};
use crate::judge::Evaluation;
use crate::recording::{self, CaseRecord};
use crate::stage::{Feed, Key};

/// The folder beside the report.
pub(super) const TENSORS: &str = "tensors";
/// A file by which the folder is known, so that no other one is replaced.
const MARKER: &str = "README.txt";
const README: &str = "Written by parity: one folder for each case, one file for each value and side. \
                      numpy.load reads them.\n";

/// The tensors could not be written.
#[derive(Debug, thiserror::Error)]
pub enum TensorError {
    /// A recording could not be read.
    #[error(transparent)]
    Recording(#[from] recording::Error),
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The folder could not be replaced.
    #[error(transparent)]
    Place(#[from] parity_atomic::Error),
    /// A tensor could not be written.
    #[error("{}: {source}", path.display())]
    Tensor {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong.
        source: candle_core::Error,
    },
}

/// Writes every tensor and token list of the report's cases into `tensors` in `dir`, in NumPy's
/// format, and lists the files in the report. An earlier folder is replaced.
///
/// # Errors
/// If a recording cannot be read, or a file cannot be written.
pub fn write_tensors(
    report: &mut Report,
    evaluation: &Evaluation<'_>,
    dir: &Path,
) -> Result<(), TensorError> {
    let folder = Replacement::begin(&dir.join(TENSORS), MARKER)?;
    parity_atomic::write_file(&folder.path().join(MARKER), README.as_bytes())?;
    for case in &mut report.cases {
        let name = &case.outcome.name;
        let loaded = evaluation.load(name)?;
        let place = folder.path().join(name);
        std::fs::create_dir(&place).map_err(|source| WriteError::Io {
            path: place.clone(),
            source,
        })?;
        let golden = loaded.golden.as_deref().ok().map(|record| (None, record));
        let candidates = Feed::ALL.map(|feed| Some((Some(feed), loaded.candidate(feed)?)));
        let sides = golden.into_iter().chain(candidates.into_iter().flatten());
        case.tensors.clear();
        for (feed, record) in sides {
            case.tensors.extend(side(&place, name, feed, record)?);
        }
        case.tensors.sort_by(|a, b| a.key.cmp(&b.key));
    }
    Ok(folder.finish()?)
}

/// Writes one side of a case.
fn side(
    place: &Path,
    case: &str,
    feed: Option<Feed>,
    record: &CaseRecord,
) -> Result<Vec<TensorFile>, TensorError> {
    let mut files = Vec::new();
    for (key, array) in &record.tensors {
        let name = file_name(key, feed);
        let path = place.join(&name);
        let written = tensor(array).and_then(|tensor| tensor.write_npy(&path));
        written.map_err(|source| TensorError::Tensor { path, source })?;
        files.push(TensorFile {
            key: key.clone(),
            feed,
            file: format!("{TENSORS}/{case}/{name}"),
            shape: array.shape().to_vec(),
        });
    }
    Ok(files)
}

/// `llm.tokens.0.golden.npy`: no character that an address or a shell would have to quote.
fn file_name(key: &Key, feed: Option<Feed>) -> String {
    let plain = |c: char| match c {
        '[' | '/' => '.',
        c => c,
    };
    let key: String = key
        .to_string()
        .replace(']', "")
        .chars()
        .map(plain)
        .collect();
    format!("{key}.{}.npy", feed.map_or("golden", Feed::name))
}

fn tensor(array: &Array) -> candle_core::Result<Tensor> {
    match array.data() {
        Data::F32(values) => Tensor::from_slice(values, array.shape(), &Device::Cpu),
        Data::I64(values) => Tensor::from_slice(values, array.shape(), &Device::Cpu),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::Stage;

    #[test]
    fn names_of_files_need_no_quotes() {
        let key = Key::segment(Stage::LlmTokens, 1);
        assert_eq!(file_name(&key, None), "llm.tokens.1.golden.npy");
        let isolated = file_name(&key, Some(Feed::Isolated));
        assert_eq!(isolated, "llm.tokens.1.isolated.npy");
    }
}
