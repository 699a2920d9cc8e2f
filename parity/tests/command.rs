//! The command as the shell sees it: exit status and words.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use parity::recording::{Recording, sha256};
use parity::stage::{Feed, Key, Stage};

use crate::made_up;

struct Folder(tempfile::TempDir);

impl Folder {
    /// A golden and an equal candidate in `golden` and `candidate`.
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        made_up::golden().write(folder.path("golden")).unwrap();
        folder.candidate(|_| ());
        folder
    }

    fn candidate(&self, change: impl FnOnce(&mut Recording)) {
        let mut candidate = made_up::recording("native");
        change(&mut candidate);
        candidate.write(self.path("candidate")).unwrap();
    }

    /// What an isolated recording says of the golden that fed it.
    fn fed_from(&self) -> Option<String> {
        let manifest = std::fs::read(self.path("golden/manifest.json")).unwrap();
        Some(sha256(&manifest))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn parity(&self, arguments: &[&str]) -> Output {
        let tolerances = Path::new(env!("CARGO_MANIFEST_DIR")).join("../golden/tolerances.toml");
        let mut command = Command::new(env!("CARGO_BIN_EXE_parity"));
        command.args(arguments).current_dir(self.0.path());
        if matches!(arguments[0], "diff" | "judge" | "selftest") {
            command.arg("--tolerances").arg(tolerances);
        }
        command.output().unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn assert_exit(output: &Output, code: i32, words: &[&str]) {
    let all = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{all}");
    let all = all.split_whitespace().collect::<Vec<_>>().join(" ");
    for word in words {
        assert!(all.contains(word), "{word:?} is not in: {all}");
    }
}

const DIFF: [&str; 3] = ["diff", "golden", "candidate"];

#[test]
fn identical_recordings_exit_with_0() {
    let output = Folder::new().parity(&DIFF);
    assert_exit(
        &output,
        0,
        &["PARITY 2 cases", "text.normalized - 2/2 pass"],
    );
    assert!(!output.stdout.contains(&0x1b), "colours went into a pipe");
}

#[test]
fn a_changed_tensor_exits_with_2_and_names_the_stage() {
    let folder = Folder::new();
    folder.candidate(|c| {
        c.manifest.feed = Feed::Isolated;
        c.manifest.fed_from = folder.fed_from();
        let key = Key::segment(Stage::FlowMu, 1);
        let array = c
            .cases
            .get_mut("second")
            .unwrap()
            .tensors
            .get_mut(&key)
            .unwrap();
        let louder = array.as_f32().unwrap().iter().map(|x| x * 1.01).collect();
        *array = parity::array::Array::f32(array.shape().to_vec(), louder).unwrap();
    });
    assert_exit(
        &folder.parity(&DIFF),
        2,
        &["second: flow.mu introduced the error", "PARITY FAILED"],
    );
}

#[test]
fn a_flipped_byte_in_a_golden_exits_with_3_and_names_the_file() {
    let folder = Folder::new();
    for (file, size) in [("first/tensors.safetensors", 5000), ("manifest.json", 300)] {
        let path = folder.path("golden").join(file);
        let good = std::fs::read(&path).unwrap();
        let mut bad = good.clone();
        bad[size] ^= 1;
        std::fs::write(&path, bad).unwrap();
        assert_exit(
            &folder.parity(&DIFF),
            3,
            &[&format!("golden/{file}: damaged")],
        );
        std::fs::write(&path, good).unwrap();
    }
}

#[test]
fn a_damaged_candidate_exits_with_3_as_a_damaged_golden_does() {
    let folder = Folder::new();
    std::fs::write(folder.path("candidate/first/audio.wav"), "").unwrap();
    let judge = ["judge", "--golden", "golden", "--cascaded", "candidate"];
    for command in [&DIFF[..], &judge] {
        assert_exit(&folder.parity(command), 3, &["audio.wav: damaged"]);
    }
    std::fs::write(folder.path("candidate/manifest.json"), "{\"format\": 2}").unwrap();
    for command in [&DIFF[..], &judge] {
        assert_exit(&folder.parity(command), 3, &["recording format 2"]);
    }
}

#[test]
fn a_missing_golden_exits_with_3_and_says_how_to_make_one() {
    let output = Folder::new().parity(&["diff", "nowhere", "candidate"]);
    assert_exit(&output, 3, &["nowhere: no recording here", "parity record"]);
}

#[test]
fn a_golden_of_another_format_exits_with_3() {
    let folder = Folder::new();
    std::fs::write(folder.path("golden/manifest.json"), "{\"format\": 2}").unwrap();
    assert_exit(
        &folder.parity(&DIFF),
        3,
        &["recording format 2, but this program reads 1"],
    );
}

#[test]
fn a_stale_golden_exits_with_3_and_says_what_changed() {
    let folder = Folder::new();
    folder.candidate(|c| c.manifest.model.files.get_mut("llm.pt").unwrap().bytes = 8);
    assert_exit(
        &folder.parity(&DIFF),
        3,
        &["the golden was recorded with another llm.pt"],
    );
}

#[test]
fn recordings_without_cases_exit_with_4() {
    let folder = Folder::new();
    let mut empty = made_up::golden();
    empty.cases.clear();
    empty.write(folder.path("golden")).unwrap();
    empty.write(folder.path("candidate")).unwrap();
    assert_exit(&folder.parity(&DIFF), 4, &["NOTHING WAS COMPARED"]);
}

#[test]
fn unreadable_input_and_wrong_usage_exit_with_1() {
    let folder = Folder::new();
    assert_exit(
        &folder.parity(&["diff", "golden", "nowhere"]),
        1,
        &["nowhere: no recording here"],
    );
    assert_exit(&folder.parity(&["diff", "golden"]), 1, &["<CANDIDATE>"]);
    assert_exit(
        &folder.parity(&["judge", "--golden", "golden"]),
        1,
        &["pass --isolated, --cascaded"],
    );
    assert_exit(
        &folder.parity(&["compare", "a.wav", "b.wav"]),
        1,
        &["a.wav", "no such file"],
    );
    std::fs::write(folder.path("report.json"), "{\"version\": 9}").unwrap();
    assert_exit(
        &folder.parity(&["render", "report.json"]),
        1,
        &["report version 9"],
    );
    for (damaged, words) in [
        ("{\"version\": 2, \"cases\"", "report.json: EOF"),
        ("{\"version\": 2}", "report.json: missing field"),
        ("not json", "report.json: expected"),
    ] {
        std::fs::write(folder.path("report.json"), damaged).unwrap();
        assert_exit(&folder.parity(&["render", "report.json"]), 1, &[words]);
        assert_exit(&folder.parity(&["merge", "report.json"]), 1, &[words]);
    }
}

#[test]
fn help_teaches_with_an_example_and_exits_with_0() {
    let folder = Folder::new();
    assert_exit(&folder.parity(&["--help"]), 0, &["Exit status: 0 parity"]);
    for command in ["compare", "diff", "judge", "merge", "render", "selftest"] {
        let output = Command::new(env!("CARGO_BIN_EXE_parity"))
            .args([command, "--help"])
            .output();
        assert_exit(
            &output.unwrap(),
            0,
            &["Example", &format!("parity {command}")],
        );
    }
}

#[test]
fn diff_prints_json_that_pipes() {
    let mut arguments = DIFF.to_vec();
    arguments.push("--json");
    let output = Folder::new().parity(&arguments);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&json["exit"], &json["verdict"]),
        (&0.into(), &"parity".into())
    );
    assert_eq!(json["cases"][0]["outcome"]["name"], "first");
}

#[test]
fn judge_writes_the_report_and_render_makes_the_same_page_of_it() {
    let folder = Folder::new();
    let mut isolated = made_up::recording("native");
    isolated.manifest.feed = Feed::Isolated;
    isolated.manifest.fed_from = folder.fed_from();
    isolated.write(folder.path("isolated")).unwrap();
    let judge = [
        "judge",
        "--golden",
        "golden",
        "--isolated",
        "isolated",
        "--cascaded",
        "candidate",
        "--out",
        "r",
    ];
    assert_exit(
        &folder.parity(&judge),
        0,
        &["PARITY 2 cases", "report: r/index.html"],
    );
    assert!(folder.path("r/junit.xml").is_file());
    assert_exit(
        &folder.parity(&["render", "r/report.json", "--out", "again"]),
        0,
        &[],
    );
    let page = |dir: &str| std::fs::read_to_string(folder.path(dir).join("index.html")).unwrap();
    assert!(
        page("r") == page("again"),
        "the page depends on more than report.json"
    );
    let swapped = ["judge", "--golden", "golden", "--isolated", "candidate"];
    assert_exit(&folder.parity(&swapped), 1, &["pass it as --cascaded"]);
}

#[test]
fn compare_measures_two_files_and_writes_a_page() {
    let folder = Folder::new();
    let output = folder.parity(&[
        "compare",
        "golden/first/audio.wav",
        "golden/second/audio.wav",
        "--html",
        "c.html",
    ]);
    assert_exit(
        &output,
        0,
        &[
            "24000 Hz, 1 channel, float 32 bit",
            "SNR",
            "the lengths differ",
        ],
    );
    let page = std::fs::read_to_string(folder.path("c.html")).unwrap();
    assert!(page.contains("data-flac=\"ZkxhQ") && page.contains("SI-SDR"));
    let same = [
        "compare",
        "golden/first/audio.wav",
        "candidate/first/audio.wav",
        "--json",
    ];
    let json: serde_json::Value = serde_json::from_slice(&folder.parity(&same).stdout).unwrap();
    assert_eq!(json["diff"]["measures"]["snr"], "Infinity");
}

#[test]
fn selftest_catches_every_fault() {
    let output = Folder::new().parity(&["selftest", "--golden", "golden"]);
    assert_exit(&output, 0, &["0 missed", "caught mel 1 % too loud"]);
}
