//! Recordings that somebody made to do harm, or cut off by accident, sealed as if they were good:
//! refused, each with the reason and the file.

use std::fs;
use std::path::PathBuf;

use parity::recording::{MANIFEST, Recording, sha256};
use serde_json::{Value, json};

use crate::made_up;

/// A golden on disk whose files can be changed so that every hash and the seal still fit.
struct Golden {
    _parent: tempfile::TempDir,
    dir: PathBuf,
}

impl Golden {
    fn new() -> Self {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("golden");
        made_up::golden().write(&dir).unwrap();
        Self {
            _parent: parent,
            dir,
        }
    }

    /// Changes the manifest and seals it again.
    fn manifest(&self, change: impl FnOnce(&mut Value)) {
        let path = self.dir.join(MANIFEST);
        let mut value: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut value);
        self.seal(value);
    }

    fn seal(&self, mut value: Value) {
        let zeros = "0".repeat(64);
        if let Some(object) = value.as_object_mut() {
            object.insert("seal".into(), zeros.clone().into());
        }
        let text = serde_json::to_string_pretty(&value).unwrap() + "\n";
        let sealed = text.replacen(&zeros, &sha256(text.as_bytes()), 1);
        fs::write(self.dir.join(MANIFEST), sealed).unwrap();
    }

    /// Replaces a file of the first case, and its hash.
    fn file(&self, name: &str, change: impl FnOnce(Vec<u8>) -> Vec<u8>) {
        let path = self.dir.join("first").join(name);
        let bytes = change(fs::read(&path).unwrap());
        fs::write(&path, &bytes).unwrap();
        self.manifest(|m| m["cases"]["first"]["files"][name] = sha256(&bytes).into());
    }

    fn json(&self, name: &str, change: impl FnOnce(&mut Value)) {
        self.file(name, |bytes| {
            let mut value: Value = serde_json::from_slice(&bytes).unwrap();
            change(&mut value);
            serde_json::to_vec(&value).unwrap()
        });
    }

    fn error(&self) -> String {
        Recording::read(&self.dir).unwrap_err().to_string()
    }
}

#[test]
fn a_golden_that_was_sealed_again_is_read_so_that_its_content_is_what_is_tested() {
    let golden = Golden::new();
    golden.manifest(|_| ());
    golden.json("case.json", |_| ());
    golden.file("tensors.safetensors", |bytes| bytes);
    Recording::read(&golden.dir).unwrap();
}

#[test]
fn manifests_of_other_forms_are_refused() {
    type Spoil = fn(&mut Value);
    let refused: [(Spoil, &str); 22] = [
        (|m| m["format"] = 0.into(), "recording format 0"),
        (|m| m["format"] = 2.into(), "recording format 2"),
        (
            |m| m["format"] = u64::MAX.into(),
            "recording format 18446744073709551615",
        ),
        (|m| m["format"] = "1".into(), "lacks the number \"format\""),
        (|m| m["format"] = 1.5.into(), "lacks the number \"format\""),
        (|m| m["format"] = (-1).into(), "lacks the number \"format\""),
        (
            |m| drop(m.as_object_mut().unwrap().remove("format")),
            "lacks the number",
        ),
        (|m| *m = json!([]), "lacks the number"),
        (|m| m["formal"] = 1.into(), "unknown field `formal`"),
        (
            |m| drop(m.as_object_mut().unwrap().remove("engine")),
            "missing field `engine`",
        ),
        (|m| m["engine"] = "python".into(), "damaged"),
        (|m| m["device"] = 3.into(), "damaged"),
        (|m| m["feed"] = "both".into(), "unknown variant `both`"),
        (
            |m| m["model"]["files"]["llm.pt"]["bytes"] = (-1).into(),
            "invalid value",
        ),
        (
            |m| m["model"]["files"]["llm.pt"]["bytes"] = 1e300.into(),
            "damaged",
        ),
        (|m| m["seconds"] = json!({"flow": "1"}), "damaged"),
        (|m| m["seconds"] = json!({"flow": null}), "damaged"),
        (
            |m| m["cases"]["../x"] = json!({"files": {}}),
            "\"../x\" is not a valid case name",
        ),
        (
            |m| m["cases"]["/etc"] = json!({"files": {}}),
            "\"/etc\" is not a valid case name",
        ),
        (
            |m| m["cases"][""] = json!({"files": {}}),
            "\"\" is not a valid case name",
        ),
        (
            |m| m["cases"]["x"] = json!({"files": {}}),
            "lists no tensors.safetensors for case",
        ),
        (
            |m| m["cases"]["first"]["files"]["audio.wav"] = "0".into(),
            "sha256 differs",
        ),
    ];
    for (spoil, words) in refused {
        let golden = Golden::new();
        golden.manifest(spoil);
        let message = golden.error();
        assert!(message.contains(words), "{words:?} is not in {message}");
        assert!(
            message.contains(MANIFEST) || message.contains("first"),
            "{message}"
        );
    }
}

#[test]
fn manifests_whose_bytes_are_wrong_are_refused() {
    let with = |change: fn(String) -> Vec<u8>| {
        let golden = Golden::new();
        let path = golden.dir.join(MANIFEST);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, change(text)).unwrap();
        golden.error()
    };
    type Spoil = fn(String) -> Vec<u8>;
    let refused: [(Spoil, &str); 9] = [
        (|_| vec![], "damaged"),
        (|t| t[..t.len() / 2].into(), "damaged"),
        (|_| vec![0xff; 100], "damaged"),
        (|_| "[".repeat(100_000).into(), "recursion limit"),
        (
            |t| t.replacen("\"cpu\"", "\"cuda\"", 1).into(),
            "its seal does not match",
        ),
        (
            |t| t.replacen("\"seal\": \"", "\"seal\": \"00", 1).into(),
            "its seal does not match",
        ),
        (
            |t| t.replacen('{', "{\"device\": \"cpu\",", 1).into(),
            "duplicate field `device`",
        ),
        (
            |t| t.replacen("\"format\": 1", "\"format\": 1e999", 1).into(),
            "number out of range",
        ),
        (|_| b"{\"format\": 1}".into(), "missing field"),
    ];
    for (change, words) in refused {
        let message = with(change);
        assert!(message.contains(words), "{words:?} is not in {message}");
        assert!(message.contains(MANIFEST), "{message}");
    }
}

#[test]
fn cases_and_texts_of_a_golden_are_checked_like_those_of_a_cases_file() {
    type Spoil = fn(&mut Value);
    let refused: [(&str, Spoil, &str); 20] = [
        (
            "case.json",
            |c| c["case"]["name"] = "second".into(),
            "it describes case \"second\"",
        ),
        (
            "case.json",
            |c| c["case"]["name"] = "../first".into(),
            "it describes case",
        ),
        (
            "case.json",
            |c| c["case"]["mode"] = "sing".into(),
            "unknown variant `sing`",
        ),
        (
            "case.json",
            |c| c["case"]["mode"] = "vc".into(),
            "needs source_wav",
        ),
        ("case.json", |c| c["case"]["text"] = "".into(), "needs text"),
        ("case.json", |c| c["case"]["speed"] = 0.into(), "speed is 0"),
        (
            "case.json",
            |c| c["case"]["speed"] = 1e300.into(),
            "speed is 1",
        ),
        ("case.json", |c| c["case"]["speed"] = Value::Null, "damaged"),
        ("case.json", |c| c["case"]["seed"] = (-1).into(), "damaged"),
        (
            "case.json",
            |c| c["case"]["seed"] = u64::MAX.into(),
            "at most 4294967295",
        ),
        (
            "case.json",
            |c| c["case"]["prompt_wav"] = "/etc/passwd".into(),
            "leads out",
        ),
        (
            "case.json",
            |c| c["case"]["prompt_wav"] = "../x.wav".into(),
            "leads out",
        ),
        (
            "case.json",
            |c| c["case"]["keep"] = "nothing".into(),
            "unknown variant",
        ),
        ("case.json", |c| c["sed"] = 1.into(), "unknown field `sed`"),
        ("case.json", |c| *c = json!({}), "missing field"),
        ("text.json", |t| t["segments"] = Value::Null, "damaged"),
        (
            "text.json",
            |t| t["segments"][0]["ids"][0] = 1.5.into(),
            "damaged",
        ),
        (
            "text.json",
            |t| t["segments"][0]["ids"][0] = u64::MAX.into(),
            "damaged",
        ),
        (
            "text.json",
            |t| t["segments"][0]["extra"] = 1.into(),
            "unknown field `extra`",
        ),
        (
            "noise.json",
            |n| n["flow.mel"] = n["flow.mel[0]"].clone(),
            "unknown stage",
        ),
    ];
    for (file, spoil, words) in refused {
        let golden = Golden::new();
        golden.json(file, spoil);
        let message = golden.error();
        assert!(message.contains(words), "{words:?} is not in {message}");
        assert!(message.contains(file), "{message}");
    }
}

/// A safetensors file with this header.
fn safetensors(header: &str, data: &[u8]) -> Vec<u8> {
    let length = (header.len() as u64).to_le_bytes();
    [&length[..], header.as_bytes(), data].concat()
}

#[test]
fn arrays_that_do_not_fit_their_file_are_refused() {
    let tensor = |name: &str, dtype: &str, shape: &str, offsets: &str| {
        format!(
            "{{\"{name}\":{{\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":{offsets}}}}}"
        )
    };
    let one = |name, dtype, shape, offsets, data: &[u8]| {
        safetensors(&tensor(name, dtype, shape, offsets), data)
    };
    let refused = [
        (vec![], "damaged"),
        (vec![0; 7], "damaged"),
        (u64::MAX.to_le_bytes().to_vec(), "damaged"),
        ((1u64 << 62).to_le_bytes().to_vec(), "damaged"),
        (safetensors("{", &[]), "damaged"),
        (safetensors("[]", &[]), "damaged"),
        (safetensors(&"[".repeat(100_000), &[]), "damaged"),
        (one("prompt.mel", "F32", "[1]", "[0,4]", &[0; 3]), "damaged"),
        (one("prompt.mel", "F32", "[1]", "[0,4]", &[0; 5]), "damaged"),
        (one("prompt.mel", "F32", "[2]", "[0,4]", &[0; 4]), "damaged"),
        (one("prompt.mel", "F32", "[1]", "[4,0]", &[0; 4]), "damaged"),
        (one("prompt.mel", "F32", "[1]", "[4,8]", &[0; 8]), "damaged"),
        (
            one(
                "prompt.mel",
                "F32",
                "[4294967296,4294967296]",
                "[0,4]",
                &[0; 4],
            ),
            "damaged",
        ),
        (
            one("prompt.mel", "F32", "[-1]", "[0,4]", &[0; 4]),
            "damaged",
        ),
        (
            one("prompt.mel", "F64", "[1]", "[0,8]", &[0; 8]),
            "not F32 or I64",
        ),
        (
            one("prompt.mel", "F16", "[1]", "[0,2]", &[0; 2]),
            "not F32 or I64",
        ),
        (one("prompt.mel", "F31", "[1]", "[0,4]", &[0; 4]), "damaged"),
        (
            one("prompt.mal", "F32", "[1]", "[0,4]", &[0; 4]),
            "unknown stage",
        ),
        (
            one("flow.mel", "F32", "[1]", "[0,4]", &[0; 4]),
            "unknown stage",
        ),
        (
            one("prompt.mel[0]", "F32", "[1]", "[0,4]", &[0; 4]),
            "unknown stage",
        ),
        (
            one("flow.mel[-1]", "F32", "[1]", "[0,4]", &[0; 4]),
            "unknown stage",
        ),
        (
            one("../../x", "F32", "[1]", "[0,4]", &[0; 4]),
            "unknown stage",
        ),
    ];
    for (bytes, words) in refused {
        let golden = Golden::new();
        let start = String::from_utf8_lossy(&bytes[..bytes.len().min(120)]).into_owned();
        golden.file("tensors.safetensors", |_| bytes);
        let message = golden.error();
        assert!(
            message.contains(words),
            "{words:?} is not in {message}\n{start}"
        );
        assert!(message.contains("tensors.safetensors"), "{message}");
    }
    for keep in [0, 1, 8, 100, 1000] {
        let golden = Golden::new();
        golden.file("tensors.safetensors", |bytes| bytes[..keep].to_vec());
        let message = golden.error();
        assert!(
            message.contains("tensors.safetensors: damaged"),
            "{message}"
        );
    }
}

#[test]
fn sounds_that_are_cut_off_or_of_another_form_are_refused() {
    let refused: [fn(Vec<u8>) -> Vec<u8>; 5] = [
        |_| vec![],
        |wav| wav[..20].to_vec(),
        |wav| wav[..wav.len() - 1].to_vec(),
        |_| b"RIFF\xff\xff\xff\xffWAVE".to_vec(),
        |mut wav| {
            // Another sample rate: the bytes 24 to 27 of a canonical header.
            wav[24..28].copy_from_slice(&8000u32.to_le_bytes());
            wav
        },
    ];
    for (at, change) in refused.into_iter().enumerate() {
        let golden = Golden::new();
        golden.file("audio.wav", change);
        let message = golden.error();
        assert!(message.contains("audio.wav: damaged"), "{at}: {message}");
    }
}
