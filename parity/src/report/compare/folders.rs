use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::sound_comparison::SoundComparison;
use crate::exit::Exit;
use crate::sound::FileSound;

/// Prefix of the native engine's file names, which otherwise equal the reference's.
const PREFIX: &str = "native_";

/// The sound files of one or two folders, paired by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FolderComparison {
    /// Version of the format.
    pub version: u32,
    /// The pairs that were compared.
    pub pairs: Vec<SoundComparison>,
    /// Files without a partner, and the names that were looked for.
    pub unpaired: Vec<String>,
    /// Pairs that could not be compared, with what is wrong.
    pub unreadable: Vec<String>,
}

/// A folder could not be listed.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct FolderError {
    path: PathBuf,
    source: std::io::Error,
}

impl FolderComparison {
    /// Compares every `X.wav` of `reference` with `X.wav` or `native_X.wav` of `candidate`, or with
    /// `native_X.wav` of the same folder if `candidate` is `None`.
    ///
    /// # Errors
    /// If a folder cannot be listed. A file that cannot be read is reported, not an error.
    pub fn of(reference: &Path, candidate: Option<&Path>) -> Result<Self, FolderError> {
        let mut references = sounds(reference)?;
        let mut candidates = match candidate {
            Some(folder) => sounds(folder)?,
            None => {
                let native = |name: &String, _: &mut PathBuf| name.starts_with(PREFIX);
                references.extract_if(.., native).collect()
            }
        };
        let mut found = Self {
            version: 1,
            ..Self::default()
        };
        for (name, path) in references {
            let prefixed = format!("{PREFIX}{name}");
            let partner = match candidates.remove(&prefixed) {
                Some(partner) => Some(partner),
                None => candidates.remove(&name),
            };
            let shown = path.display();
            match partner {
                Some(partner) => found.pair(&path, &partner),
                None if candidate.is_some() => found.unpaired.push(format!(
                    "{shown}: there is no {name} or {prefixed} to compare it with"
                )),
                None => found.unpaired.push(format!(
                    "{shown}: there is no {prefixed} to compare it with"
                )),
            }
        }
        for (name, path) in candidates {
            let wanted = name.strip_prefix(PREFIX).unwrap_or(&name);
            let shown = path.display();
            found
                .unpaired
                .push(format!("{shown}: there is no {wanted} to compare it with"));
        }
        Ok(found)
    }

    fn pair(&mut self, reference: &Path, candidate: &Path) {
        match (FileSound::read(reference), FileSound::read(candidate)) {
            (Ok(r), Ok(c)) => {
                let (name, other) = (reference.display(), candidate.display());
                match SoundComparison::of((&name.to_string(), &r), (&other.to_string(), &c)) {
                    Ok(comparison) => self.pairs.push(comparison),
                    Err(error) => self.unreadable.push(error.to_string()),
                }
            }
            (r, c) => {
                let errors = r.err().into_iter().chain(c.err());
                self.unreadable.extend(errors.map(|e| e.to_string()));
            }
        }
    }

    /// The exit status. A file without a partner is never parity.
    pub fn exit(&self) -> Exit {
        if !self.unreadable.is_empty() {
            Exit::Usage
        } else if self.pairs.is_empty() || self.pairs.iter().any(SoundComparison::is_empty) {
            Exit::NothingCompared
        } else if !self.unpaired.is_empty() {
            Exit::Failed
        } else {
            Exit::Parity
        }
    }
}

/// The wav files of a folder, sorted by name.
fn sounds(folder: &Path) -> Result<BTreeMap<String, PathBuf>, FolderError> {
    let error = |source| FolderError {
        path: folder.to_owned(),
        source,
    };
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(error)? {
        let path = entry.map_err(error)?.path();
        let wav = path
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("wav"));
        if let Some(name) = path.file_name().filter(|_| wav && path.is_file()) {
            found.insert(name.to_string_lossy().into_owned(), path);
        }
    }
    Ok(found)
}
