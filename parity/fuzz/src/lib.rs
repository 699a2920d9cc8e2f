//! What the fuzz targets of `parity` run. `tests/fuzz_corpus.rs` replays their corpora with it.
//!
//! A target takes any bytes and returns: an error is an answer, a panic is a fault. Hashes and
//! seals are set right, so that the bytes reach what is behind them.

use std::fs;
use std::path::Path;

use parity::case::{Case, CaseFile};
use parity::checkup;
use parity::judge::Tolerances;
use parity::recording::{MANIFEST, Manifest, Reader, Recording, RecordingSource as _, sha256};
use parity::report::{self, Detail, Rest};
use tempfile::TempDir;

/// A target and its name, which is also that of its corpus.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[
    ("cases", cases),
    ("manifest", manifest),
    ("recording", recording),
    ("report", report),
    ("tolerances", tolerances),
];

/// The files of the recorded case that is made up for [`recording`].
const FILES: [(&str, &[u8]); 5] = [
    (
        "tensors.safetensors",
        include_bytes!("recording/tensors.safetensors"),
    ),
    ("case.json", include_bytes!("recording/case.json")),
    ("text.json", include_bytes!("recording/text.json")),
    ("audio.wav", include_bytes!("recording/audio.wav")),
    ("noise.json", b"{}\n"),
];
const CASE: &str = "tokens-instruct-sad";
const SEAL: &str = "\"seal\": \"";
const DIGITS: usize = 64;

/// `data` as a file of a recorded case, the first byte saying which; the others are sound, and the
/// manifest has their hashes.
pub fn recording(data: &[u8]) {
    let Some((&which, data)) = data.split_first() else {
        return;
    };
    let mut files = FILES;
    files[usize::from(which) % FILES.len()].1 = data;
    let text = include_str!("recording/manifest.json");
    let mut manifest: Manifest = serde_json::from_str(text).expect("a manifest");
    let listed = manifest.cases.entry(CASE.to_owned()).or_default();
    let dir = scratch();
    fs::create_dir(dir.path().join(CASE)).expect("a folder");
    for (name, bytes) in files {
        fs::write(dir.path().join(CASE).join(name), bytes).expect("a file");
        listed.files.insert(name.to_owned(), sha256(bytes));
    }
    manifest.seal = "0".repeat(DIGITS);
    let text = serde_json::to_string_pretty(&manifest).expect("JSON") + "\n";
    fs::write(dir.path().join(MANIFEST), sealed(&text)).expect("a file");
    let _ = Recording::read(dir.path());
    // The same as another program would have written it.
    let Ok(golden) = Reader::open(dir.path()) else {
        return;
    };
    let unsealed =
        r#"{"format": 1, "engine": {"name": "port"}, "device": "cpu", "precision": "f32"}"#;
    fs::write(dir.path().join(MANIFEST), unsealed).expect("a file");
    let port = Reader::open_candidate(dir.path(), &golden).expect("a manifest");
    let _ = port.case(CASE);
    let _ = checkup::check(&port, &golden);
}

/// `data` as a manifest, sealed anew where it has a seal.
pub fn manifest(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let dir = scratch();
    fs::write(dir.path().join(MANIFEST), sealed(&text)).expect("a file");
    if let Ok(reader) = Reader::open(dir.path()) {
        for name in reader.manifest().cases.keys() {
            let _ = reader.case(name);
        }
    }
    let known = scratch();
    let golden = sealed(include_str!("recording/manifest.json"));
    fs::write(known.path().join(MANIFEST), golden).expect("a file");
    let golden = Reader::open(known.path()).expect("a golden");
    if let Ok(port) = Reader::open_candidate(dir.path(), &golden) {
        for name in port.manifest().cases.keys() {
            let _ = port.case(name);
        }
    }
}

/// `text` with the digits of its last seal made right.
fn sealed(text: &str) -> String {
    let Some(at) = text.rfind(SEAL).map(|at| at + SEAL.len()) else {
        return text.to_owned();
    };
    let (Some(before), Some(after)) = (text.get(..at), text.get(at + DIGITS..)) else {
        return text.to_owned();
    };
    let zeros = "0".repeat(DIGITS);
    let digits = sha256([before, &zeros, after].concat().as_bytes());
    [before, &digits, after].concat()
}

/// `data` as a file of cases; a case that is accepted survives being recorded.
pub fn cases(data: &[u8]) {
    let dir = scratch();
    fs::write(dir.path().join("a.wav"), "").expect("a file");
    let path = dir.path().join("cases.toml");
    fs::write(&path, data).expect("a file");
    let Ok(file) = CaseFile::load(&path) else {
        return;
    };
    for case in file.cases {
        let json = serde_json::to_string(&case).expect("JSON");
        let read: Case = serde_json::from_str(&json).expect("a case");
        assert_eq!(read, case, "{json}");
    }
}

/// `data` as a file of limits.
pub fn tolerances(data: &[u8]) {
    with_file("tolerances.toml", data, |path| {
        let _ = Tolerances::load(path);
    });
}

/// `data` as a `report.json`, from which everything is made that is made from one.
pub fn report(data: &[u8]) {
    with_file("report.json", data, |path| {
        let Ok(report) = report::read(path) else {
            return;
        };
        let _ = report::html(&report);
        let _ = report::junit(&report);
        let _ = report::table(&report, Detail::default(), Rest::Options(""));
        let _ = report::annotations(&report);
        let _ = report::step_summary(&report);
        let _ = report::merge(vec![report.clone(), report]);
    });
}

fn scratch() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn with_file(name: &str, bytes: &[u8], read: impl FnOnce(&Path)) {
    let dir = scratch();
    let path = dir.path().join(name);
    fs::write(&path, bytes).expect("a file");
    read(&path);
}
