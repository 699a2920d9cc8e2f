//! `parity doctor`, and the text rules that every command finds by itself.

use std::path::Path;
use std::process::{Command, Output};

use super::model;

/// A model directory as it is published: everything but the text rules.
fn published() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy(model::tiny(), dir.path());
    std::fs::remove_dir_all(dir.path().join("text_rules")).unwrap();
    dir
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, to) = entry.map(|e| (e.path(), to.join(e.file_name()))).unwrap();
        match path.is_dir() {
            _ if path.ends_with("fixture.json") => {}
            true => copy(&path, &to),
            false => std::fs::copy(&path, to).map(drop).unwrap(),
        }
    }
}

/// Runs the command where no rules lie, with a cache of its own.
fn parity(at: &Path, cache: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parity"));
    command.current_dir(at).env("XDG_CACHE_HOME", cache);
    command.args(arguments).output().unwrap()
}

fn text(output: &Output) -> String {
    let all = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8(all).unwrap()
}

#[test]
fn a_whole_model_is_ready_and_every_fault_of_another_is_named() {
    let (dir, at) = (published(), tempfile::tempdir().unwrap());
    let rules = model::tiny().join("text_rules");
    let arguments = [
        "doctor",
        "--model-dir",
        dir.path().to_str().unwrap(),
        "--text-rules",
        rules.to_str().unwrap(),
    ];
    let run = || parity(at.path(), at.path(), &arguments);
    let output = run();
    let said = text(&output);
    assert!(
        output.status.success() && said.contains(": ready"),
        "{said}"
    );
    for part in [
        "language model",
        "llm.pt",
        "flow.pt",
        "hift.pt",
        "memory",
        "disk",
    ] {
        assert!(said.contains(part), "{part} is not in {said}");
    }

    std::fs::remove_file(dir.path().join("campplus.onnx")).unwrap();
    let flow = std::fs::read(dir.path().join("flow.pt")).unwrap();
    std::fs::write(dir.path().join("flow.pt"), &flow[..flow.len() / 2]).unwrap();
    std::fs::write(dir.path().join("hift.safetensors"), b"unused").unwrap();
    let output = run();
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in [
        "campplus.onnx",
        "flow.pt",
        "hift.safetensors is there, but is not read",
        "ok      language model",
        "2 things will not do",
    ] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
}

#[test]
fn text_rules_are_found_in_the_working_directory_and_in_the_users_cache() {
    let (dir, at) = (published(), tempfile::tempdir().unwrap());
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../golden/text");
    let arguments = [
        "text",
        "check",
        "--model-dir",
        dir.path().to_str().unwrap(),
        "--corpus",
        corpus.to_str().unwrap(),
    ];
    let cache = at.path().join("cache");
    let output = parity(at.path(), &cache, &arguments);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in [
        "no text rules",
        "text_rules, .cache/text-rules, ",
        "make setup",
        "--text-rules",
    ] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    for place in ["cache/cosyvoice-parity/text-rules", ".cache/text-rules"] {
        let place = at.path().join(place);
        copy(&model::tiny().join("text_rules"), &place);
        let output = parity(at.path(), &cache, &arguments);
        assert!(output.status.success(), "{}", text(&output));
        std::fs::remove_dir_all(place).unwrap();
    }
}

#[test]
fn a_golden_of_another_model_is_stale_before_anything_is_synthesised() {
    let (dir, at) = (published(), tempfile::tempdir().unwrap());
    let yaml = dir.path().join("cosyvoice3.yaml");
    let changed = std::fs::read_to_string(&yaml).unwrap();
    let changed = changed.replace("top_p: 0.8", "top_p: 0.7");
    std::fs::write(&yaml, changed).unwrap();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../golden");
    let path = |name: &str| golden.join(name).to_str().unwrap().to_owned();
    let rules = model::tiny().join("text_rules");
    let arguments = [
        "report",
        "--model-dir",
        dir.path().to_str().unwrap(),
        "--text-rules",
        rules.to_str().unwrap(),
        "--golden",
        &path("tiny-7"),
        "--cases",
        &path("cases.toml"),
        "--text-corpus",
        &path("text"),
    ];
    let output = parity(at.path(), at.path(), &arguments);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert_eq!(said.matches("cosyvoice3.yaml").count(), 1, "{said}");
    assert!(said.contains("nothing was synthesised"), "{said}");
}
