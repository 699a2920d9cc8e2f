//! What was said so far: a line for each request in a file that grows, by which a run that was
//! stopped goes on.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::interrupt;

/// The file's name.
const RESULTS: &str = "results.jsonl";

/// A request that was said.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Said {
    /// Its name.
    pub name: String,
    /// The files, in the folder of the results.
    pub files: Vec<String>,
    /// Seconds of sound.
    pub seconds: f64,
    /// The segments: text, start and end in seconds.
    pub segments: Vec<Value>,
    /// What the user was warned of.
    pub warnings: Vec<String>,
    /// The request and the engine, to know them again.
    pub of: Value,
}

/// The results of a folder. No other process can write there meanwhile.
pub struct Results {
    folder: PathBuf,
    path: PathBuf,
    file: File,
    said: BTreeMap<String, Said>,
}

impl Results {
    /// Opens the results in `folder`, which is created if need be. A last line that was cut off is
    /// dropped.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let path = folder.join(RESULTS);
        let shown = path.display().to_string();
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .with_context(|| shown.clone())?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!("{}: another batch is writing there", folder.display())
            }
            Err(TryLockError::Error(e)) => return Err(e).context(shown),
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)
            .with_context(|| shown.clone())?;
        let whole = bytes
            .iter()
            .rposition(|&b| b == b'\n')
            .map_or(0, |at| at + 1);
        let mut said = BTreeMap::new();
        for (line, number) in bytes[..whole].split_inclusive(|&b| b == b'\n').zip(1..) {
            let entry: Said = serde_json::from_slice(line).with_context(|| {
                format!("{shown}:{number}: no result of native batch; choose another folder")
            })?;
            said.insert(entry.name.clone(), entry);
        }
        file.set_len(whole as u64).with_context(|| shown.clone())?;
        file.seek(SeekFrom::End(0)).with_context(|| shown)?;
        Ok(Self {
            folder: folder.to_owned(),
            path,
            file,
            said,
        })
    }

    /// Whether a request was said by the same engine, and its files are there.
    pub fn has(&self, name: &str, of: &Value) -> bool {
        self.said.get(name).is_some_and(|said| {
            let there = |file: &String| self.folder.join(file).is_file();
            said.of == *of && said.files.iter().all(there)
        })
    }

    /// Adds a request whose files are written.
    pub fn add(&mut self, said: Said) -> anyhow::Result<()> {
        let line = serde_json::to_string(&said)? + "\n";
        let _whole = interrupt::hold();
        let written = self.file.write_all(line.as_bytes());
        written.with_context(|| self.path.display().to_string())?;
        self.said.insert(said.name.clone(), said);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(name: &str, of: Value) -> Said {
        Said {
            name: name.into(),
            files: vec![format!("{name}.wav")],
            seconds: 1.0,
            segments: Vec::new(),
            warnings: Vec::new(),
            of,
        }
    }

    #[test]
    fn a_request_is_known_again_if_it_is_the_same_and_its_file_is_there() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let mut results = Results::open(folder.path())?;
        results.add(said("a", json!(1)))?;
        assert!(!results.has("a", &json!(1)), "its file is not there");
        std::fs::write(folder.path().join("a.wav"), "sound")?;
        assert!(results.has("a", &json!(1)));
        assert!(!results.has("a", &json!(2)));
        assert!(!results.has("b", &json!(1)));
        Ok(())
    }

    #[test]
    fn a_line_that_was_cut_off_is_dropped_and_the_next_follows_the_last_whole_one()
    -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join(RESULTS);
        for name in ["a", "b"] {
            std::fs::write(folder.path().join(format!("{name}.wav")), "sound")?;
        }
        Results::open(folder.path())?.add(said("a", json!(1)))?;
        let whole = std::fs::read_to_string(&path)?;
        std::fs::write(&path, format!("{whole}{{\"name\": \"b\", \"fi"))?;
        let mut results = Results::open(folder.path())?;
        assert!(results.has("a", &json!(1)) && !results.has("b", &json!(1)));
        results.add(said("b", json!(1)))?;
        drop(results);
        assert!(Results::open(folder.path())?.has("b", &json!(1)));
        Ok(())
    }

    #[test]
    fn two_batches_do_not_write_into_one_folder() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let _first = Results::open(folder.path())?;
        let second = Results::open(folder.path()).err().expect("refused");
        assert!(second.to_string().contains("another batch"), "{second}");
        Ok(())
    }
}
