use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::FrontendSetting;
use crate::case::Case;
use crate::recording::{Error, sha256};
use crate::shard::{Parts, text_cost};

/// The plan's file name; a folder is a corpus if it has one.
pub const PLAN: &str = "corpus.toml";

/// The texts of each part of a corpus, and the setting of the frontend.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The parts of the recording, by name.
    pub parts: BTreeMap<String, PlannedCorpusPart>,
    /// The texts, by the name of their file.
    pub texts: BTreeMap<String, Texts>,
    /// SHA-256 of [`PLAN`].
    pub sha256: String,
}

/// A file of texts.
#[derive(Clone, Debug)]
pub struct Texts {
    /// Its lines.
    pub lines: Vec<String>,
    /// Its SHA-256.
    pub sha256: String,
}

/// A part of the recording.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedCorpusPart {
    /// The frontend's setting.
    pub setting: FrontendSetting,
    /// Files of texts of which every line is taken, by name.
    pub texts: Vec<String>,
    /// Further files, of which only some lines are taken.
    #[serde(default)]
    pub sampled: Option<Sampled>,
}

/// Files of texts of which only some lines are taken.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sampled {
    /// The files, by name.
    pub texts: Vec<String>,
    /// The distance between the lines: 3 takes the 1st, the 4th, the 7th …
    pub every: NonZero<usize>,
}

impl PlannedCorpusPart {
    /// The files in order, with the distance between the lines that are taken.
    fn files(&self) -> impl Iterator<Item = (&String, usize)> {
        let whole = self.texts.iter().map(|name| (name, 1));
        let sampled = self.sampled.iter();
        whole.chain(sampled.flat_map(|s| s.texts.iter().map(|name| (name, s.every.get()))))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    part: BTreeMap<String, PlannedCorpusPart>,
}

impl Plan {
    /// Reads the plan of the corpus in `dir`, and the texts that it names.
    ///
    /// # Errors
    /// If the plan or a file of texts is missing or damaged.
    pub fn read(dir: &Path) -> Result<Self, Error> {
        let path = dir.join(PLAN);
        let bytes = read(&path)?;
        let text = str::from_utf8(&bytes).map_err(|e| Error::damaged(&path, e))?;
        let File { part: parts } = toml::from_str(text).map_err(|e| Error::damaged(&path, e))?;
        let mut texts = BTreeMap::new();
        for (name, part) in &parts {
            let names = || std::iter::once(name).chain(part.files().map(|(name, _)| name));
            if let Some(name) = names().find(|name| !Case::is_name(name)) {
                return Err(Error::damaged(
                    &path,
                    format!("`{name}` is not a valid name"),
                ));
            }
            for (name, _) in part.files() {
                if !texts.contains_key(name) {
                    texts.insert(name.clone(), Texts::read(&dir.join("texts"), name)?);
                }
            }
        }
        Ok(Self {
            parts,
            texts,
            sha256: sha256(&bytes),
        })
    }

    /// The number of texts of all parts.
    pub fn count(&self) -> usize {
        self.parts
            .values()
            .map(|part| self.lines(part).count())
            .sum()
    }

    /// Cuts the texts of all parts, one after the other, into `of` shards.
    pub fn cut(&self, of: usize) -> Parts {
        let parts = self.parts.iter();
        let lines = parts.flat_map(|(name, part)| {
            let lines = self.lines(part);
            lines.map(move |(file, line, text)| (format!("{name} {file}:{line}"), text_cost(text)))
        });
        let lines: Vec<_> = lines.collect();
        Parts::cut(lines.iter().map(|(name, cost)| (name.as_str(), *cost)), of)
    }

    /// The texts of `part`, each with its file and its line, counted from 1.
    pub fn lines<'a>(
        &'a self,
        part: &'a PlannedCorpusPart,
    ) -> impl Iterator<Item = (&'a str, usize, &'a str)> {
        part.files().flat_map(|(name, every)| {
            let lines = self.texts.get(name).map_or(&[][..], |texts| &texts.lines);
            let numbered = lines.iter().enumerate().step_by(every);
            numbered.map(|(at, text)| (name.as_str(), at + 1, text.as_str()))
        })
    }
}

impl Texts {
    fn read(dir: &Path, name: &str) -> Result<Self, Error> {
        let path: PathBuf = dir.join(format!("{name}.jsonl"));
        let bytes = read(&path)?;
        let content = str::from_utf8(&bytes).map_err(|e| Error::damaged(&path, e))?;
        let parse = |(at, line): (usize, &str)| {
            serde_json::from_str(line)
                .map_err(|e| Error::damaged(&path, format!("line {}: {e}", at + 1)))
        };
        Ok(Self {
            lines: content
                .lines()
                .enumerate()
                .map(parse)
                .collect::<Result<_, _>>()?,
            sha256: sha256(&bytes),
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => Error::damaged(path, "the file is missing"),
        _ => Error::io(path)(e),
    })
}
