use std::collections::BTreeMap;
use std::path::Path;

use parity_atomic::Replacement;

use super::plan::Plan;
use super::{
    AnswerLine, CorpusManifest, FrontendSetting, Outcome, PartInfo, RECORDED, Reference,
    TEXT_FORMAT,
};
use crate::recording::{Error, MANIFEST, Sealed, difference, sha256, timestamp};
use crate::shard::{Parts, text_cost};

/// Texts with the reference's outputs.
#[derive(Clone, Debug)]
pub struct Corpus {
    /// Who recorded the outputs.
    pub manifest: CorpusManifest,
    /// The parts, in the order of their names.
    pub parts: Vec<CorpusPart>,
}

/// Texts under one frontend setting.
#[derive(Clone, Debug)]
pub struct CorpusPart {
    /// The name.
    pub name: String,
    /// The frontend's setting.
    pub setting: FrontendSetting,
    /// The lines, in the order of the plan.
    pub lines: Vec<Line>,
}

/// A text with the reference's output.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its number in the part, counted from 1.
    pub number: usize,
    /// The location of the text, as `FILE:LINE`.
    pub place: String,
    /// The text.
    pub text: String,
    /// The reference's result.
    pub outcome: Outcome,
}

impl Corpus {
    /// Reads the corpus in `dir`; every file's hash is checked.
    ///
    /// # Errors
    /// If there is no recording, a file is damaged, or the texts have changed since.
    pub fn read(dir: impl AsRef<Path>) -> Result<Self, Error> {
        let dir = dir.as_ref();
        let recorded = dir.join(RECORDED);
        let manifest = read_manifest(&recorded)?;
        let plan = Plan::read(dir)?;
        manifest.expect_plan(dir, &plan)?;
        let mut parts = Vec::new();
        for (name, planned) in &plan.parts {
            let path = recorded.join(file(name));
            let info = manifest.parts.get(name).ok_or_else(|| {
                Error::damaged(&path, "the manifest does not list it, but the plan does")
            })?;
            let bytes = std::fs::read(&path).map_err(|e| match e.kind() {
                std::io::ErrorKind::NotFound => Error::damaged(&path, "the file is missing"),
                _ => Error::io(&path)(e),
            })?;
            if let Some(reason) = difference(&bytes, &info.sha256) {
                return Err(Error::damaged(&path, reason));
            }
            let content = str::from_utf8(&bytes).map_err(|e| Error::damaged(&path, e))?;
            let texts: Vec<_> = plan.lines(planned).collect();
            if content.lines().count() != texts.len() || info.lines != texts.len() {
                let reason = format!("it should have {} lines", texts.len());
                return Err(Error::damaged(&path, reason));
            }
            let mut lines = Vec::new();
            for (at, (line, (file, number, text))) in content.lines().zip(texts).enumerate() {
                let damaged =
                    |reason: String| Error::damaged(&path, format!("line {}: {reason}", at + 1));
                let answer: AnswerLine =
                    serde_json::from_str(line).map_err(|e| damaged(e.to_string()))?;
                lines.push(Line {
                    number: at + 1,
                    place: format!("{file}:{number}"),
                    text: text.to_owned(),
                    outcome: answer.outcome(text).map_err(damaged)?,
                });
            }
            parts.push(CorpusPart {
                name: name.clone(),
                setting: info.setting,
                lines,
            });
        }
        Ok(Self { manifest, parts })
    }

    /// Cuts the lines of all parts, one after the other, into `of` shards.
    pub fn cut(&self, of: usize) -> Parts {
        let parts = self.parts.iter();
        let lines = parts.flat_map(|part| {
            let lines = part.lines.iter();
            lines.map(|line| {
                (
                    format!("{} {}", part.name, line.place),
                    text_cost(&line.text),
                )
            })
        });
        let lines: Vec<_> = lines.collect();
        Parts::cut(lines.iter().map(|(name, cost)| (name.as_str(), *cost)), of)
    }

    /// The number of lines of all parts.
    pub fn lines(&self) -> usize {
        self.parts.iter().map(|part| part.lines.len()).sum()
    }
}

fn file(part: &str) -> String {
    format!("{part}.jsonl")
}

fn read_manifest(recorded: &Path) -> Result<CorpusManifest, Error> {
    let path = recorded.join(MANIFEST);
    let bytes = std::fs::read(&path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => Error::Missing {
            dir: recorded.to_owned(),
        },
        _ => Error::io(&path)(e),
    })?;
    let text = str::from_utf8(&bytes).map_err(|e| Error::damaged(&path, e))?;
    CorpusManifest::unseal(&path, text)
}

/// The place of the recording of the corpus in `dir`. Until it is dropped, no other process can
/// record there.
///
/// # Errors
/// If something else lies there, another process is recording, or it cannot be written to.
pub fn reserve(dir: &Path) -> Result<Replacement, Error> {
    Replacement::begin(&dir.join(RECORDED), MANIFEST).map_err(Error::replacing)
}

/// Writes the reference's `answers` to the plan of the corpus in `dir`, part by part, in the order
/// of [`Plan::lines`], to the place that [`reserve`] has reserved. False if they equal the existing recording, which is then kept.
///
/// # Errors
/// If the recording cannot be written.
pub fn write(
    folder: Replacement,
    dir: &Path,
    plan: &Plan,
    reference: Reference,
    answers: &BTreeMap<String, Vec<Outcome>>,
) -> Result<bool, Error> {
    let mut parts = BTreeMap::new();
    for (name, planned) in &plan.parts {
        let outcomes = answers.get(name).map_or(&[][..], Vec::as_slice);
        let mut content = String::new();
        for ((_, _, text), outcome) in plan.lines(planned).zip(outcomes) {
            // Serialising strings and numbers cannot fail.
            let line = serde_json::to_string(&AnswerLine::of(text, outcome.clone()));
            content.push_str(&line.unwrap_or_default());
            content.push('\n');
        }
        let path = folder.path().join(file(name));
        std::fs::write(&path, &content).map_err(Error::io(&path))?;
        let info = PartInfo {
            setting: planned.setting,
            lines: outcomes.len(),
            sha256: sha256(content.as_bytes()),
        };
        parts.insert(name.clone(), info);
    }
    let texts = plan
        .texts
        .iter()
        .map(|(name, texts)| (name.clone(), texts.sha256.clone()));
    let manifest = CorpusManifest {
        text_format: TEXT_FORMAT,
        reference,
        plan: plan.sha256.clone(),
        texts: texts.collect(),
        parts,
        recorded_at: timestamp(),
        seal: String::new(),
    };
    if let Ok(Corpus { manifest: was, .. }) = Corpus::read(dir) {
        let then = CorpusManifest {
            recorded_at: was.recorded_at.clone(),
            seal: was.seal.clone(),
            ..manifest.clone()
        };
        if then == was {
            return Ok(false);
        }
    }
    let path = folder.path().join(MANIFEST);
    std::fs::write(&path, manifest.sealed()).map_err(Error::io(&path))?;
    folder.finish().map_err(Error::replacing)?;
    Ok(true)
}
