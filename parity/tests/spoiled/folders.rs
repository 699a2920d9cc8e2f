//! A golden and its candidate on disk, and what a tamperer would do to them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use parity::array::Array;
use parity::exit::Exit;
use parity::judge::{Evaluation, Tolerances};
use parity::metric::Noise;
use parity::recording::{CaseRecord, Error, MANIFEST, Reader, Recording, sha256};
use parity::report::{Detail, Rest, build_report, table};
use parity::stage::{Feed, Key, Stage};
use serde_json::Value;

use super::{Row, assert_found_out};
use crate::model;

/// The cases: two with every stage, a stream of voice conversion, and one of tokens only.
const CASES: [&str; 4] = [
    "chinese-short",
    "english-short",
    "stream-voice-conversion",
    "tokens-zero-shot-hi",
];

/// A part of the committed golden, and a candidate that equals it under both feeds.
pub struct Folders(tempfile::TempDir);

/// What a folder is.
#[derive(Clone, Copy)]
pub enum Side {
    Golden,
    Isolated,
    Cascaded,
}

/// Every folder.
pub const ALL: [Side; 3] = [Side::Golden, Side::Isolated, Side::Cascaded];
/// The folders of the candidate.
pub const CANDIDATES: [Side; 2] = [Side::Isolated, Side::Cascaded];

impl Folders {
    pub fn new() -> Self {
        let folders = Self(tempfile::tempdir().unwrap());
        let mut golden = Recording::read(model::workspace().join("golden/tiny-7")).unwrap();
        golden.cases.retain(|name, _| CASES.contains(&&**name));
        assert_eq!(golden.cases.len(), CASES.len());
        golden.write(folders.dir(Side::Golden)).unwrap();
        for (side, feed) in [
            (Side::Isolated, Feed::Isolated),
            (Side::Cascaded, Feed::Cascaded),
        ] {
            let mut candidate = golden.clone();
            candidate.manifest.engine.name = "native".into();
            candidate.manifest.feed = feed;
            for case in candidate.cases.values_mut() {
                case.noise.clear();
                case.tensors.retain(|key, _| feed.requires(key.stage));
                if !feed.requires(Stage::Speech) {
                    case.audio.clear();
                }
            }
            candidate.write(folders.dir(side)).unwrap();
        }
        folders.feed();
        folders
    }

    /// A copy that may be spoiled.
    pub fn copy(&self) -> Self {
        let copy = Self(tempfile::tempdir().unwrap());
        for side in ALL {
            copy_folder(&self.dir(side), &copy.dir(side));
        }
        copy
    }

    pub fn dir(&self, side: Side) -> PathBuf {
        self.0.path().join(match side {
            Side::Golden => "golden",
            Side::Isolated => "isolated",
            Side::Cascaded => "cascaded",
        })
    }

    /// Says that the golden, as it is now, fed the isolated candidate.
    pub fn feed(&self) {
        let sha256 = sha256(&fs::read(self.dir(Side::Golden).join(MANIFEST)).unwrap());
        self.reseal(Side::Isolated, |m| m["fed_from"] = sha256.into());
    }

    /// Changes recordings and writes them again, sealed; the golden as the one that fed.
    pub fn rewrite(&self, sides: &[Side], change: impl Fn(&mut Recording)) {
        for &side in sides {
            let mut recording = Recording::read(self.dir(side)).unwrap();
            change(&mut recording);
            recording.write(self.dir(side)).unwrap();
        }
        self.feed();
    }

    /// Changes one case of recordings.
    pub fn case(&self, sides: &[Side], name: &str, change: impl Fn(&mut CaseRecord)) {
        self.rewrite(sides, |r| change(r.cases.get_mut(name).unwrap()));
    }

    /// Removes a value of english-short.
    pub fn lose(&self, sides: &[Side], key: &Key) {
        self.case(sides, "english-short", |c| drop(c.tensors.remove(key)));
    }

    /// Replaces a value of english-short.
    pub fn replace(&self, sides: &[Side], key: &Key, array: &Array) {
        self.case(sides, "english-short", |c| {
            c.tensors.insert(key.clone(), array.clone());
        });
    }

    /// Changes the floats of a value of english-short.
    pub fn floats(&self, sides: &[Side], key: &Key, change: impl Fn(&mut [f32])) {
        self.case(sides, "english-short", |c| {
            let array = c.tensors.get_mut(key).unwrap();
            let mut values = array.as_f32().unwrap().to_vec();
            change(&mut values);
            *array = Array::f32(array.shape().to_vec(), values).unwrap();
        });
    }

    /// Changes the golden's noise of a stage, in the cases named, or in all if none is.
    pub fn noise(&self, stage: Stage, tap: Option<&str>, names: &[&str], change: fn(&mut Noise)) {
        self.rewrite(&[Side::Golden], |golden| {
            let named = |name: &str| names.is_empty() || names.contains(&name);
            let cases = golden.cases.values_mut().filter(|c| named(c.name()));
            let noise = cases.flat_map(|c| &mut c.noise);
            noise
                .filter(|(key, _)| key.stage == stage && key.tap.as_deref() == tap)
                .for_each(|(_, noise)| change(noise));
        });
    }

    /// Changes a manifest as JSON, and seals it again.
    pub fn reseal(&self, side: Side, change: impl FnOnce(&mut Value)) {
        let path = self.dir(side).join(MANIFEST);
        let mut manifest: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut manifest);
        manifest["seal"] = "0".repeat(64).into();
        let text = serde_json::to_string_pretty(&manifest).unwrap();
        let seal = sha256(text.as_bytes());
        let sealed = text.replacen(&"0".repeat(64), &seal, 1);
        fs::write(path, sealed).unwrap();
    }

    /// Changes the golden's manifest, which then still is the one that fed.
    pub fn manifest(&self, change: impl FnOnce(&mut Value)) {
        self.reseal(Side::Golden, change);
        self.feed();
    }

    /// Changes the bytes of a file of english-short in the golden, and leaves its hash as it was.
    pub fn flip(&self, file: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let path = self.dir(Side::Golden).join("english-short").join(file);
        let mut bytes = fs::read(&path).unwrap();
        change(&mut bytes);
        fs::write(path, bytes).unwrap();
    }

    /// Replaces the bytes of a file of english-short in the golden, and its hash.
    pub fn forge(&self, file: &str, change: impl FnOnce(&mut Vec<u8>)) {
        self.flip(file, change);
        let path = self.dir(Side::Golden).join("english-short").join(file);
        let hash = sha256(&fs::read(path).unwrap());
        self.manifest(|m| m["cases"]["english-short"]["files"][file] = hash.into());
    }

    /// The exit status of a judgement, and everything that it says.
    pub fn judge(&self) -> (Exit, String) {
        self.report(&CANDIDATES)
            .unwrap_or_else(|e| (e.exit(), e.to_string()))
    }

    /// The same for one recording of the candidate, as `parity diff` does.
    pub fn report(&self, sides: &[Side]) -> Result<(Exit, String), Error> {
        let golden = match Reader::open(self.dir(Side::Golden)) {
            Ok(golden) => golden,
            Err(e) => return Ok((Exit::Golden, e.to_string())),
        };
        let mut readers = BTreeMap::new();
        for side in sides {
            let feed = match side {
                Side::Isolated => Feed::Isolated,
                _ => Feed::Cascaded,
            };
            readers.insert(feed, Reader::open_candidate(self.dir(*side), &golden)?);
        }
        let candidate = |feed| readers.get(&feed).map(|reader| reader as _);
        let limits = model::workspace().join("golden/tolerances.toml");
        let evaluation = Evaluation {
            golden: &golden,
            isolated: candidate(Feed::Isolated),
            cascaded: candidate(Feed::Cascaded),
            expected: None,
            tolerances: &Tolerances::load(limits).unwrap(),
            anyway: false,
        };
        let report = build_report(&evaluation, None, |_| String::new())?;
        let said = table(&report, Detail::Verbose, Rest::Options("--html"))
            + &report.not_covered.join("\n");
        let cells = report.cases.iter().flat_map(|c| &c.outcome.stages);
        let cells = cells.flat_map(|s| s.cells().map(|(_, cell)| parity::judge::explain(cell)));
        Ok((
            report.status(),
            said + &cells.collect::<Vec<_>>().join("\n"),
        ))
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A row whose golden is found damaged.
pub fn damaged(name: &'static str, says: &'static str, spoil: fn(&mut Folders)) -> Row<Folders> {
    Row {
        name,
        spoil,
        exit: Exit::Golden,
        says,
    }
}

/// Spoils the committed recordings row by row.
pub fn assert_all(rows: &[Row<Folders>]) {
    let sound = Folders::new();
    assert_found_out(|| sound.copy(), Folders::judge, rows);
}
