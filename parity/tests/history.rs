//! What is kept beside a report: the results of all runs, and the tensors of both sides.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use candle_core::Tensor;
use parity::report::{Report, read};
use parity::stage::{Feed, Key, Stage};

use crate::made_up;

/// A folder with a golden and an equal candidate.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        made_up::golden().write(folder.path("golden")).unwrap();
        let candidate = made_up::recording("native");
        candidate.write(folder.path("candidate")).unwrap();
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn judge(&self, arguments: &[&str]) -> Output {
        let limits = Path::new(env!("CARGO_MANIFEST_DIR")).join("../golden/tolerances.toml");
        let mut command = Command::new(env!("CARGO_BIN_EXE_parity"));
        command
            .args(["judge", "--golden", "golden", "--cascaded", "candidate"])
            .args(["--out", "report", "--tolerances"])
            .arg(limits);
        let command = command.args(arguments).current_dir(self.0.path());
        let output = command.output().unwrap();
        assert!(output.status.code() == Some(0), "{output:?}");
        output
    }

    fn report(&self) -> Report {
        read(&self.path("report/report.json")).unwrap()
    }

    fn page(&self) -> String {
        std::fs::read_to_string(self.path("report/index.html")).unwrap()
    }
}

#[test]
fn every_run_adds_a_line_and_the_page_shows_the_runs_before_it() {
    let folder = Folder::new();
    folder.judge(&[]);
    assert_eq!(folder.report().history.len(), 0);
    assert!(!folder.page().contains("runs of this engine"));
    folder.judge(&[]);
    let report = folder.report();
    let past = &report.history[0];
    let headroom = past.headroom(Stage::Speech, Feed::Cascaded);
    assert!(headroom.is_some_and(|left| left > 0.0), "{past:?}");
    let page = folder.page();
    assert!(page.contains("2 runs of this engine over these cases"));
    assert!(page.contains("svg class=\"history\""));

    folder.judge(&["--no-history"]);
    assert_eq!(folder.report().history.len(), 0);
    folder.judge(&["--case", "first"]);
    let alone = folder.report().history.len();
    assert_eq!(alone, 0, "a run of fewer cases was held against whole ones");
    let lines = std::fs::read_to_string(folder.path("report/history.jsonl")).unwrap();
    assert_eq!(lines.lines().count(), 3);
}

#[test]
fn a_damaged_history_costs_no_report_and_is_not_touched() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("kept")).unwrap();
    let said = folder.judge(&["--history", "kept"]).stderr;
    let said = String::from_utf8(said).unwrap();
    assert!(
        said.contains("kept: ") && said.contains("--no-history"),
        "{said}"
    );
    assert!(folder.path("report/index.html").is_file());

    std::fs::write(folder.path("torn.jsonl"), "{\"version\":1,").unwrap();
    let said = folder.judge(&["--history", "torn.jsonl"]).stderr;
    let said = String::from_utf8(said).unwrap();
    assert!(said.contains("torn.jsonl: line 1 is damaged"), "{said}");
    let kept = std::fs::read_to_string(folder.path("torn.jsonl")).unwrap();
    assert!(
        kept.starts_with("{\"version\":1,\n{\"version\":1,\"run\""),
        "{kept}"
    );
}

#[test]
fn tensors_of_both_sides_are_written_where_the_page_has_links_to_them() {
    let folder = Folder::new();
    folder.judge(&[]);
    assert!(!folder.path("report/tensors").exists());
    folder.judge(&["--tensors"]);
    let report = folder.report();
    let second = &report.cases[1];
    let key = Key::segment(Stage::FlowMel, 1);
    let golden = made_up::golden();
    let array = &golden.cases["second"].tensors[&key];
    let files: Vec<_> = second.tensors.iter().filter(|f| f.key == key).collect();
    let feeds: Vec<_> = files.iter().map(|f| f.feed).collect();
    assert_eq!(feeds, [None, Some(Feed::Cascaded)]);
    let page = folder.page();
    for file in files {
        let path = folder.path("report").join(&file.file);
        let tensor = Tensor::read_npy(&path).unwrap();
        assert_eq!(tensor.dims(), array.shape());
        let values: Vec<f32> = tensor.flatten_all().unwrap().to_vec1().unwrap();
        assert_eq!(values, array.as_f32().unwrap());
        let address = file.file.replace('/', "&#x2f;");
        assert!(page.contains(&format!("href=\"{address}\" download")));
    }
    // A page made elsewhere has no link to what is not beside it.
    let mut command = Command::new(env!("CARGO_BIN_EXE_parity"));
    command
        .args(["render", "report/report.json", "--out", "other"])
        .current_dir(folder.0.path());
    assert!(command.output().unwrap().status.success());
    let other = std::fs::read_to_string(folder.path("other/index.html")).unwrap();
    assert!(!other.contains(" download>"));
}

#[test]
fn a_report_cannot_name_files_outside_its_folder() {
    let folder = Folder::new();
    folder.judge(&["--tensors"]);
    std::fs::write(folder.path("secret"), "").unwrap();
    let path = folder.path("report/report.json");
    let json = std::fs::read_to_string(&path).unwrap();
    let file = "tensors/first/flow.mel.0.golden.npy";
    assert!(json.contains(file));
    std::fs::write(&path, json.replace(file, "../secret")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_parity"));
    command.args(["render", "report/report.json"]);
    let output = command.current_dir(folder.0.path()).output().unwrap();
    assert!(output.status.success());
    assert!(!folder.page().contains("secret"));
}
