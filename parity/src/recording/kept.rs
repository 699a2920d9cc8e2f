//! Finished cases, kept one by one, so that a run that was stopped goes on where it was.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{
    CaseRecord, Error, MANIFEST, Manifest, Reader, RecordedCase, RecordingSource as _, Writer,
    sha256,
};

/// Digits of the hash in a kept case's name.
const DIGITS: usize = 16;

/// A folder in which each finished case is a recording of its own. Its name has a hash of all that
/// decides what is recorded, so that a case whose text, model or program has changed is recorded
/// again. Shards of one run may share it.
#[derive(Clone, Debug)]
pub struct KeptCases {
    dir: PathBuf,
    /// What decides beside the manifest and the case.
    beside: String,
}

/// A case that was found.
#[derive(Clone, Debug)]
pub struct KeptCase {
    /// What was recorded.
    pub record: CaseRecord,
    /// Seconds spent, by stage or part.
    pub seconds: BTreeMap<String, f64>,
}

impl KeptCases {
    /// The folder `dir`, which is created if need be. `beside` is what decides over recordings and
    /// is in no manifest, such as the program's own hash.
    ///
    /// # Errors
    /// If the folder cannot be created, or is itself a recording.
    pub fn open(dir: &Path, beside: &[&str]) -> Result<Self, Error> {
        let manifest = dir.join(MANIFEST);
        if manifest.exists() {
            return Err(Error::Malformed {
                path: manifest,
                reason: "this folder is a recording; keep finished cases in another one".into(),
            });
        }
        std::fs::create_dir_all(dir).map_err(Error::io(dir))?;
        Ok(Self {
            dir: dir.to_owned(),
            beside: beside.join("\n"),
        })
    }

    /// The case as it was recorded by the same engine from the same inputs, if it is there.
    /// `manifest` is the one of the recording that it is for. What is damaged counts as absent.
    pub fn find(&self, manifest: &Manifest, case: &RecordedCase) -> Option<KeptCase> {
        let reader = Reader::open(self.place(manifest, case)?).ok()?;
        let record = reader.case(&case.case.name).ok()?.into_owned();
        (record.case == *case).then(|| KeptCase {
            record,
            seconds: reader.manifest().seconds.clone(),
        })
    }

    /// Keeps a case, in place of what may be there.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn keep(
        &self,
        manifest: &Manifest,
        record: &CaseRecord,
        seconds: &BTreeMap<String, f64>,
    ) -> Result<(), Error> {
        let Some(place) = self.place(manifest, &record.case) else {
            return Ok(());
        };
        let manifest = Manifest {
            seconds: seconds.clone(),
            ..manifest.clone()
        };
        let mut writer = Writer::create(place, manifest)?;
        writer.case(record)?;
        writer.finish()
    }

    /// Where a case lies. None if its inputs cannot be put into words, which JSON always can.
    fn place(&self, manifest: &Manifest, case: &RecordedCase) -> Option<PathBuf> {
        // What differs between two runs of the same engine, or between two shards, decides nothing.
        let engine = Manifest {
            cases: BTreeMap::new(),
            recorded_at: String::new(),
            seconds: BTreeMap::new(),
            seal: String::new(),
            shard: None,
            ..manifest.clone()
        };
        let decides = serde_json::to_string(&(engine, case, &self.beside)).ok()?;
        let hash = sha256(decides.as_bytes());
        let hash = hash.get(..DIGITS)?;
        let (name, feed) = (&case.case.name, manifest.feed.name());
        Some(self.dir.join(format!("{name}.{feed}.{hash}")))
    }
}
