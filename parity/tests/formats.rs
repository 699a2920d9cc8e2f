//! The pages of the formats say what is so: their examples are taken out of them and used.

use std::path::{Path, PathBuf};

use parity::case::CaseFile;
use parity::certificate::{CERTIFICATE_VERSION, certificate_schema};
use parity::judge::Tolerances;
use parity::metric::Metric;
use parity::recording::{Reader, RecordingSource as _};
use parity::report::{REPORT_VERSION, schema};
use parity::stage::Stage;

use crate::model::workspace;

fn page(name: &str) -> String {
    let path = workspace().join("parity/docs/formats").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The example that a page shows as this file.
fn example(page: &str, file: &str) -> String {
    let mut blocks = page.split("```").skip(1).step_by(2);
    let block = blocks.find_map(|b| b.split_once('\n').filter(|(head, _)| head.ends_with(file)));
    block
        .unwrap_or_else(|| panic!("no example of {file}"))
        .1
        .to_owned()
}

fn golden() -> Reader {
    Reader::open(workspace().join("golden/tiny-7")).unwrap()
}

fn put(dir: &Path, file: &str, text: &str) -> PathBuf {
    let path = dir.join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn the_recording_that_the_page_shows_is_read() {
    let page = page("recording.md");
    let dir = tempfile::tempdir().unwrap();
    put(
        dir.path(),
        "manifest.json",
        &example(&page, "manifest.json"),
    );
    put(
        dir.path(),
        "english-short/text.json",
        &example(&page, "text.json"),
    );
    let golden = golden();
    let recording = Reader::open_candidate(dir.path(), &golden).unwrap();
    assert_eq!(recording.manifest().engine.name, "my-port");
    let case = recording.case("english-short").unwrap();
    assert_eq!(case.text.segments[0].ids, [9707, 1052, 11]);
    assert!(case.unrecorded.contains(&Stage::Speech) && case.tensors.is_empty());
    assert_eq!(recording.notes().len(), 2, "no seal, and no case.json");
    // What it says of the model is what the golden says.
    let file = &recording.manifest().model.files["llm.pt"];
    assert_eq!(Some(file), golden.manifest().model.files.get("llm.pt"));
}

#[test]
fn the_page_names_every_tensor_and_no_other() {
    let page = page("recording.md");
    let named = |name: &str| page.contains(&format!("`{name}`"));
    for stage in Stage::all().filter(|s| s.is_tensor()) {
        let name = match (stage.per_segment(), stage) {
            // The steps are named by the first and the last.
            (_, Stage::FlowStep(1 | 10)) | (true, _) => format!("{stage}[i]"),
            (false, _) => stage.to_string(),
        };
        let between = matches!(stage, Stage::FlowStep(2..=9));
        assert!(between || named(&name), "{name} is not in the page");
    }
}

#[test]
fn the_cases_and_limits_that_the_pages_show_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let prompts = workspace().join("golden/prompts/fox_22k.wav");
    std::fs::create_dir(dir.path().join("prompts")).unwrap();
    std::fs::copy(prompts, dir.path().join("prompts/fox_22k.wav")).unwrap();
    let cases = put(
        dir.path(),
        "cases.toml",
        &example(&page("cases.md"), "cases.toml"),
    );
    assert_eq!(CaseFile::load(cases).unwrap().cases.len(), 2);
    let limits = page("tolerances.md");
    let path = put(
        dir.path(),
        "tolerances.toml",
        &example(&limits, "tolerances.toml"),
    );
    assert_eq!(Tolerances::load(path).unwrap().limits.len(), 2);
    for metric in Metric::ALL {
        assert!(limits.contains(&format!("`{metric}`")), "{metric}");
    }
}

#[test]
fn the_cases_and_limits_of_the_guide_are_read() {
    let guide = page("../guides/own-cases.md");
    let dir = tempfile::tempdir().unwrap();
    let prompt = workspace().join("golden/prompts/fox_22k.wav");
    std::fs::create_dir(dir.path().join("prompts")).unwrap();
    std::fs::copy(prompt, dir.path().join("prompts/me.wav")).unwrap();
    let cases = example(&guide, "my-cases.toml");
    let cases = CaseFile::load(put(dir.path(), "my-cases.toml", &cases)).unwrap();
    assert_eq!(cases.cases[0].name, "order-number");
    let limits = example(&guide, "tolerances.toml");
    let limits = Tolerances::load(put(dir.path(), "tolerances.toml", &limits)).unwrap();
    assert_eq!(limits.limits[0].candidate.as_deref(), Some("my-port"));
}

#[test]
fn the_page_of_certificates_names_every_field() {
    let page = page("certificate.md");
    let schema: serde_json::Value = serde_json::from_str(&certificate_schema()).unwrap();
    for field in schema["properties"].as_object().unwrap().keys() {
        assert!(page.contains(&format!("`{field}`")), "{field}");
    }
    assert!(page.contains(&format!("| `version` | {CERTIFICATE_VERSION} |")));
}

#[test]
fn the_page_of_reports_names_every_field() {
    let page = page("report.md");
    let schema: serde_json::Value = serde_json::from_str(&schema()).unwrap();
    for field in schema["properties"].as_object().unwrap().keys() {
        assert!(page.contains(&format!("`{field}`")), "{field}");
    }
    assert!(page.contains(&format!("| `version` | {REPORT_VERSION}.")));
}
