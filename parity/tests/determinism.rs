//! The same command gives the same bytes, however many threads it has.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::model;
use serde_json::Value;

/// Removes what tells the time: when something was made, and how long it took.
fn without_times(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !matches!(&**name, "made_at" | "recorded_at" | "seconds"));
            fields.values_mut().for_each(without_times);
        }
        Value::Array(values) => values.iter_mut().for_each(without_times),
        _ => {}
    }
}

/// The report's JSON without its times, and its page with those replaced by a dash.
fn report(out: &Path, threads: &str) -> (Value, String) {
    let root = model::workspace();
    let output = Command::new(env!("CARGO_BIN_EXE_parity"))
        .args([
            "report",
            "--case",
            "english-short",
            "--case",
            "tokens-zero-shot-hi",
        ])
        .args(["--golden", "golden/tiny-7", "--cases", "golden/cases.toml"])
        .args(["--case", "stream-one-chunk", "--model-dir"])
        .arg(model::tiny())
        .arg("--out")
        .arg(out)
        .env("RAYON_NUM_THREADS", threads)
        .current_dir(root)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let mut json: Value =
        serde_json::from_slice(&fs::read(out.join("report.json")).unwrap()).unwrap();
    let mut page = fs::read_to_string(out.join("index.html")).unwrap();
    let times = [&json["made_at"], &json["candidates"]];
    let mut said = Vec::new();
    times
        .into_iter()
        .for_each(|value| moments(value, &mut said));
    for time in &said {
        page = page.replace(time.as_str(), "-");
    }
    assert!(!said.is_empty());
    without_times(&mut json);
    (json, page)
}

/// Every text of `value` that is a moment of this millennium.
fn moments(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) if text.starts_with("20") && text.ends_with('Z') => {
            found.push(text.clone());
        }
        Value::Object(fields) => fields.values().for_each(|v| moments(v, found)),
        Value::Array(values) => values.iter().for_each(|v| moments(v, found)),
        _ => {}
    }
}

#[test]
fn a_report_has_the_same_bytes_on_1_2_and_8_threads() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("report");
    let (json, page) = report(&out, "1");
    let recorded = |feed: &str| {
        let tensors = out.join(feed).join("english-short/tensors.safetensors");
        (
            fs::read(tensors).unwrap(),
            fs::read(out.join(feed).join("english-short/audio.wav")).unwrap(),
        )
    };
    let first = (recorded("isolated"), recorded("cascaded"));
    for threads in ["2", "8"] {
        // The page shows the runs before it.
        fs::remove_file(out.join("history.jsonl")).unwrap();
        let (other_json, other_page) = report(&out, threads);
        assert!(
            json == other_json,
            "report.json differs on {threads} threads"
        );
        assert!(
            page == other_page,
            "index.html differs on {threads} threads"
        );
        let second = (recorded("isolated"), recorded("cascaded"));
        assert!(first == second, "a recording differs on {threads} threads");
    }
}
