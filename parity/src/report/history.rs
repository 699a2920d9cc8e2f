//! The results of all runs: a file to which every run adds a line of JSON.
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::cast_possible_truncation)
)]

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::model::PastRun;
use crate::bounded;

/// The usual name of the file, beside the report.
pub const HISTORY: &str = "history.jsonl";

/// Version of a line.
const VERSION: u32 = 1;
/// Largest file that is read. A line has some 4 KB.
const LARGEST: u64 = 256 << 20;
/// Runs that a report repeats.
const SHOWN: usize = 40;

/// The history could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}; --no-history goes without it", path.display())]
pub struct HistoryError {
    path: PathBuf,
    source: io::Error,
}

/// What a history says of a run's predecessors.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Past {
    /// The latest comparable runs, oldest first.
    pub runs: Vec<PastRun>,
    /// The lines that are damaged or of an unknown version, counted from 1. They are kept.
    pub unreadable: Vec<usize>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    version: u32,
    run: PastRun,
}

/// The runs of a history that are comparable with `now`. A file that is not there has none.
///
/// # Errors
/// If the file cannot be read.
pub fn read_history(path: &Path, now: &PastRun) -> Result<Past, HistoryError> {
    let text = match bounded::read_text(path, LARGEST) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Past::default()),
        Err(source) => return Err(error(path)(source)),
    };
    let mut past = Past::default();
    for (line, number) in text.lines().zip(1..) {
        match serde_json::from_str::<Line>(line) {
            Ok(line) if line.version == VERSION => {
                past.runs
                    .extend(Some(line.run).filter(|r| r.is_comparable(now)));
            }
            _ if line.trim().is_empty() => {}
            _ => past.unreadable.push(number),
        }
    }
    let older = past.runs.len().saturating_sub(SHOWN);
    past.runs.drain(..older);
    Ok(past)
}

/// Adds a run at the end of a history. Nothing that is in it is touched, a line that a killed process
/// left unfinished included.
///
/// # Errors
/// If the file cannot be written.
pub fn add_to_history(path: &Path, run: &PastRun) -> Result<(), HistoryError> {
    add(path, run).map_err(error(path))
}

fn add(path: &Path, run: &PastRun) -> io::Result<()> {
    let version = VERSION;
    let run = run.clone();
    let mut line = serde_json::to_vec(&Line { version, run })?;
    line.push(b'\n');
    let mut options = OpenOptions::new();
    let mut file = options.create(true).append(true).read(true).open(path)?;
    if !ends_a_line(&mut file)? {
        line.insert(0, b'\n');
    }
    file.write_all(&line)?;
    file.sync_all()
}

/// Whether the next byte would begin a line.
fn ends_a_line(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == [b'\n'])
}

fn error(path: &Path) -> impl Fn(io::Error) -> HistoryError {
    let path = path.to_owned();
    move |source| HistoryError {
        path: path.clone(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(engine: &str, made_at: &str) -> PastRun {
        PastRun {
            made_at: made_at.into(),
            parity_version: "1".into(),
            engine: engine.into(),
            engine_version: String::new(),
            engine_commit: None,
            device: "cpu".into(),
            precision: "f32".into(),
            model: "tiny".into(),
            golden_sha256: None,
            limits_sha256: None,
            cases: 1,
            cases_sha256: String::new(),
            verdict: "parity".into(),
            stages: Vec::new(),
        }
    }

    #[test]
    fn runs_are_added_and_those_of_other_engines_are_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(HISTORY);
        let (first, other, now) = (run("native", "1"), run("port", "2"), run("native", "3"));
        assert_eq!(read_history(&path, &now).unwrap(), Past::default());
        for run in [&first, &other, &now] {
            add_to_history(&path, run).unwrap();
        }
        let past = read_history(&path, &now).unwrap();
        assert_eq!(past.runs, [first, now]);
        assert_eq!(past.unreadable, Vec::<usize>::new());
    }

    #[test]
    fn an_unfinished_line_is_kept_and_costs_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(HISTORY);
        add_to_history(&path, &run("native", "1")).unwrap();
        let whole = std::fs::read(&path).unwrap();
        let torn = [&whole[..], b"{\"version\": 1, \"ru"].concat();
        std::fs::write(&path, &torn).unwrap();
        add_to_history(&path, &run("native", "2")).unwrap();
        let past = read_history(&path, &run("native", "3")).unwrap();
        assert_eq!((past.runs.len(), past.unreadable), (2, vec![2]));
        assert!(std::fs::read(&path).unwrap().starts_with(&torn));
    }

    #[test]
    fn a_report_repeats_the_latest_runs() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(HISTORY);
        for i in 0..SHOWN + 2 {
            add_to_history(&path, &run("native", &i.to_string())).unwrap();
        }
        let past = read_history(&path, &run("native", "now")).unwrap();
        assert_eq!((past.runs.len(), &*past.runs[0].made_at), (SHOWN, "2"));
    }

    #[test]
    fn a_folder_in_its_place_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let message = add_to_history(dir.path(), &run("native", "1"))
            .unwrap_err()
            .to_string();
        let named = message.starts_with(&dir.path().display().to_string());
        assert!(named && message.contains("--no-history"), "{message}");
    }
}
