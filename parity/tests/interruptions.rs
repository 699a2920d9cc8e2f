//! Processes that are killed, run out of room or permission, or get in each other's way: what was
//! there stays whole, and the next run cleans up.
//!
//! `torture.sh` beside this file does the same with hundreds of kills and whole recorders.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use parity::recording::Recording;
use rustix::process::{Pid, Signal, kill_process};

use crate::{made_up, model};

/// Where [`written_by_a_process_that_is_killed`] writes.
const OUT: &str = "PARITY_TEST_OUT";

/// What a process that shall be killed does.
#[test]
#[ignore = "the other tests run it, in a process of its own that they kill"]
fn written_by_a_process_that_is_killed() {
    let out = std::env::var_os(OUT).expect("where to write");
    newer().write(Path::new(&out)).unwrap();
}

fn older() -> Recording {
    made_up::recording("older")
}

fn newer() -> Recording {
    let mut recording = made_up::recording("newer");
    recording.cases.pop_last();
    recording.manifest.cases.pop_last();
    recording
        .cases
        .values_mut()
        .for_each(|c| c.audio[0] += 0.25);
    recording
}

/// A folder with the older recording at `golden`.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        older().write(folder.golden()).unwrap();
        folder
    }

    fn golden(&self) -> PathBuf {
        self.0.path().join("golden")
    }

    fn names(&self) -> Vec<String> {
        names(self.0.path())
    }

    /// Runs the writing process under strace with a fault; true if it came to its end.
    fn write_with(&self, fault: &str) -> bool {
        let output = Command::new("strace")
            .args(["-f", "-o", "/dev/null", "-e", fault])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "--ignored", "--test-threads=1"])
            .arg("interruptions::written_by_a_process_that_is_killed")
            .env(OUT, self.golden())
            .output()
            .unwrap();
        output.status.success()
    }

    /// Whether the new recording is at the name; one of the two is, whole, whatever happened.
    fn holds_the_newer(&self, after: &str) -> bool {
        let read = Recording::read(self.golden()).unwrap_or_else(|e| panic!("{after}: {e}"));
        let is = |other: &Recording| read.cases == other.cases;
        assert!(is(&newer()) || is(&older()), "{after}: a mixture");
        is(&newer())
    }

    fn write_again(&self, after: &str) {
        newer().write(self.golden()).unwrap();
        assert!(self.holds_the_newer(after));
        assert_eq!(self.names(), ["golden"], "{after}");
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<_> = entries
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Says so where strace is not installed or may not trace, as in some containers.
fn strace_is_missing() -> bool {
    let traced = Command::new("strace")
        .args(["-o", "/dev/null", "true"])
        .output();
    let missing = !traced.is_ok_and(|output| output.status.success());
    if missing {
        println!("SKIPPED: no strace here that can trace; nothing was killed at a system call");
    }
    missing
}

#[test]
fn a_kill_at_any_system_call_of_the_swap_leaves_one_whole_golden() {
    if strace_is_missing() {
        return;
    }
    let (mut kills, mut outcomes) = (0, BTreeSet::new());
    // Of the calls with which a folder is filled, only every third: they are alike.
    for (call, step) in [
        ("flock", 1),
        ("ftruncate", 1),
        ("mkdir", 1),
        ("fsync", 3),
        ("renameat2", 1),
        ("unlinkat", 3),
        ("unlink", 1),
        ("rmdir", 1),
    ] {
        for at in (1..).step_by(step) {
            let folder = Folder::new();
            if folder.write_with(&format!("inject={call}:signal=KILL:when={at}")) {
                break;
            }
            let after = format!("killed at {call} {at}");
            outcomes.insert(folder.holds_the_newer(&after));
            folder.write_again(&after);
            kills += 1;
        }
    }
    assert!(kills >= 15, "only {kills} kills");
    assert_eq!(outcomes.len(), 2, "all kills came on one side of the swap");
}

#[test]
fn a_full_disk_leaves_the_old_golden_and_nothing_else() {
    if strace_is_missing() {
        return;
    }
    for (call, at) in [("write", 1), ("write", 5), ("fsync", 1), ("mkdir", 2)] {
        let folder = Folder::new();
        // Writing the lock's words may fail, the first file may not: from `at` on, all fail.
        let fault = format!("inject={call}:error=ENOSPC:when={at}+");
        assert!(!folder.write_with(&fault), "{call} {at} was not needed");
        assert!(!folder.holds_the_newer(call));
        assert_eq!(folder.names(), ["golden"], "{call} {at}");
        folder.write_again(call);
    }
}

#[test]
fn folders_change_places_even_where_the_system_cannot_exchange_them() {
    if strace_is_missing() {
        return;
    }
    let old_kernel = "inject=renameat2:error=EINVAL";
    let folder = Folder::new();
    assert!(folder.write_with(old_kernel));
    folder.write_again(old_kernel);
}

/// A process that is recording: the part that it writes is there, and it has long to go.
struct Recorder(Child);

impl Recorder {
    fn command(out: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_parity"));
        command
            .args(["record", "--engine", "native", "--model-dir"])
            .arg(model::tiny())
            .arg("--cases")
            .arg(model::workspace().join("golden/cases.toml"))
            .arg("--out")
            .arg(out);
        command
    }

    fn start(out: &Path) -> Self {
        let quiet = Self::command(out)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let recorder = Self(quiet.unwrap());
        let part = out.with_file_name(".golden.parity-part");
        let since = Instant::now();
        while !part.exists() {
            assert!(since.elapsed() < Duration::from_secs(60), "no recording");
            std::thread::sleep(Duration::from_millis(5));
        }
        recorder
    }

    /// Sends a signal; the time that the process took to end, and what it said.
    fn signal(self, signal: Signal) -> (Duration, Output) {
        let id = Pid::from_child(&self.0);
        let since = Instant::now();
        kill_process(id, signal).unwrap();
        let output = self.0.wait_with_output().unwrap();
        (since.elapsed(), output)
    }
}

#[test]
fn ctrl_c_and_kill_end_a_recorder_within_a_second_and_leave_nothing_half_written() {
    use std::os::unix::process::ExitStatusExt as _;
    for signal in [Signal::INT, Signal::TERM] {
        let folder = Folder::new();
        let recorder = Recorder::start(&folder.golden());
        std::thread::sleep(Duration::from_millis(300));
        let (took, output) = recorder.signal(signal);
        assert!(took < Duration::from_secs(1), "{signal:?}: {took:?}");
        assert_eq!(output.status.signal(), Some(signal.as_raw()));
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        assert!(!folder.holds_the_newer("a signal"));
        assert_eq!(folder.names(), ["golden"], "{signal:?}");
    }
}

#[test]
fn a_second_recorder_is_told_of_the_first_and_cleans_up_after_its_death() {
    let folder = Folder::new();
    let first = Recorder::start(&folder.golden());
    let id = first.0.id();
    let second = Recorder::command(&folder.golden()).output().unwrap();
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{said}");
    let words = format!("golden: process {id} (since 20");
    assert!(said.contains(&words), "{said}");
    assert!(said.contains("wait until it has ended"), "{said}");

    let (_, _) = first.signal(Signal::KILL);
    let left = [".golden.parity-lock", ".golden.parity-part", "golden"];
    assert_eq!(folder.names(), left);
    // A clock that was set back: what is left seems to come from the future.
    let future = std::time::SystemTime::now() + Duration::from_secs(1_000_000);
    for name in &left[..2] {
        let file = fs::File::open(folder.0.path().join(name)).unwrap();
        file.set_modified(future).unwrap();
    }
    folder.write_again("a dead neighbour");
}

/// Runs `parity judge` on two recordings in `dir`, with its report in `out`.
fn judge(dir: &Path, launcher: &[&str], out: &Path) -> Output {
    let binary = env!("CARGO_BIN_EXE_parity");
    let mut words = launcher.iter().copied().chain([binary]);
    Command::new(words.next().unwrap())
        .args(words)
        .args(["judge", "--golden", "golden", "--cascaded", "candidate"])
        .arg("--tolerances")
        .arg(model::workspace().join("golden/tolerances.toml"))
        .arg("--out")
        .arg(out)
        .current_dir(dir)
        .output()
        .unwrap()
}

fn golden_and_candidate() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    made_up::golden().write(dir.path().join("golden")).unwrap();
    let candidate = made_up::recording("native");
    candidate.write(dir.path().join("candidate")).unwrap();
    dir
}

/// What is replaced as one.
const REPLACED: [&str; 3] = ["index.html", "junit.xml", "report.json"];
/// The whole folder: a line is added to the history before a report is replaced.
const REPORT: [&str; 4] = ["history.jsonl", "index.html", "junit.xml", "report.json"];

#[test]
fn a_killed_or_starved_report_leaves_the_old_one() {
    if strace_is_missing() {
        return;
    }
    let dir = golden_and_candidate();
    let out = dir.path().join("out");
    assert!(judge(dir.path(), &[], &out).status.success());
    let read = || REPLACED.map(|name| fs::read(out.join(name)).unwrap());
    for fault in [
        "flock:signal=KILL:when=2",
        "fsync:signal=KILL:when=1",
        "fsync:signal=KILL:when=3",
        "rename:signal=KILL:when=1",
        "fsync:error=ENOSPC:when=2",
        "write:error=ENOSPC:when=3+",
    ] {
        let old = read();
        let inject = format!("inject={fault}");
        let strace = ["strace", "-f", "-o", "/dev/null", "-e", &inject];
        let output = judge(dir.path(), &strace, &out);
        assert!(!output.status.success(), "{fault}");
        assert!(read() == old, "{fault} changed the report");
        if fault.contains("error") {
            assert_eq!(names(&out), REPORT, "{fault}");
        }
        assert!(judge(dir.path(), &[], &out).status.success());
        assert_eq!(names(&out), REPORT, "after {fault}");
    }
}

#[test]
fn a_folder_without_permission_is_refused_by_name_and_left_alone() {
    let dir = golden_and_candidate();
    let out = dir.path().join("out");
    assert!(judge(dir.path(), &[], &out).status.success());
    let old = fs::read(out.join("report.json")).unwrap();
    // Nobody may write here but the superuser, as whom the tests may run.
    let open = |mode| std::os::unix::fs::PermissionsExt::from_mode(mode);
    fs::set_permissions(dir.path(), open(0o755)).unwrap();
    fs::set_permissions(&out, open(0o555)).unwrap();
    let nobody = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
    ];
    let root = rustix::process::getuid().is_root();
    let launcher = if root { &nobody[..] } else { &[] };
    if root && !allowed(&nobody) {
        println!("SKIPPED: the superuser cannot become nobody here");
        return;
    }
    let output = judge(dir.path(), launcher, &out);
    fs::set_permissions(&out, open(0o755)).unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("out"), "{said}");
    assert!(said.contains("Permission denied"), "{said}");
    assert_eq!(fs::read(out.join("report.json")).unwrap(), old);
    assert_eq!(names(&out), REPORT);
}

/// Whether `launcher` can start this crate's command.
fn allowed(launcher: &[&str]) -> bool {
    let mut command = Command::new(launcher[0]);
    command.args(&launcher[1..]);
    let output = command
        .args([env!("CARGO_BIN_EXE_parity"), "--version"])
        .output();
    output.is_ok_and(|o| o.status.success())
}

#[test]
fn reports_go_to_folders_of_any_name_and_through_links() {
    use std::os::unix::ffi::OsStrExt as _;
    let dir = golden_and_candidate();
    let real = dir.path().join("real");
    fs::create_dir(&real).unwrap();
    std::os::unix::fs::symlink(&real, dir.path().join("link")).unwrap();
    std::os::unix::fs::symlink("nowhere", dir.path().join("dangling")).unwrap();
    let mut odd = vec![
        "with a space".as_bytes().to_vec(),
        "ünï-日本".as_bytes().to_vec(),
        vec![b'l'; 255],
        b"link".to_vec(),
        b"link/".to_vec(),
        b"link/below/deeper".to_vec(),
    ];
    // Apple's file systems take UTF-8 only.
    if cfg!(target_os = "linux") {
        odd.push(b"not \xff utf-8".to_vec());
    }
    for name in odd {
        let out = dir.path().join(std::ffi::OsStr::from_bytes(&name));
        let output = judge(dir.path(), &[], &out);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{}: {said}", out.display());
        assert!(REPORT.iter().all(|name| out.join(name).is_file()));
    }
    assert!(dir.path().join("link").is_symlink());
    for (name, words) in [
        ("dangling", "dangling: a symbolic link to something that"),
        (&"l".repeat(256), "File name too long"),
    ] {
        let output = judge(dir.path(), &[], &dir.path().join(name));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn no_command_writes_into_what_it_reads() {
    let dir = golden_and_candidate();
    let before = Recording::read(dir.path().join("golden")).unwrap();
    std::os::unix::fs::symlink("golden", dir.path().join("link")).unwrap();
    for (out, how) in [
        ("golden", "is the golden"),
        ("./golden/", "is the golden"),
        ("link", "is the golden"),
        ("golden/first", "lies inside the golden"),
        ("golden/new/folder", "lies inside the golden"),
        (".", "contains the golden"),
    ] {
        let output = judge(dir.path(), &[], Path::new(out));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{out}: {said}");
        assert!(said.contains(how), "{out}: {said}");
        assert!(said.contains("choose a folder of its own"), "{said}");
    }
    let cases = model::workspace().join("golden/cases.toml");
    for (command, out, how) in [
        ("report", "golden", "is the golden"),
        (
            "report",
            "model/report",
            "lies inside the model's directory",
        ),
        ("record", "golden/new", "lies inside the golden"),
        ("record", "model", "is the model's directory"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_parity"))
            .arg(command)
            .args(
                ["record"]
                    .iter()
                    .filter(|c| **c == command)
                    .flat_map(|_| ["--engine", "native"]),
            )
            .args(["--golden", "golden", "--model-dir", "model", "--out", out])
            .arg("--tolerances")
            .arg(model::workspace().join("golden/tolerances.toml"))
            .arg("--cases")
            .arg(&cases)
            .current_dir(dir.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{out}: {said}");
        assert!(said.contains(how), "{command} {out}: {said}");
    }
    let after = Recording::read(dir.path().join("golden")).unwrap();
    let sound = "golden/first/audio.wav";
    let other = "candidate/first/audio.wav";
    let output = Command::new(env!("CARGO_BIN_EXE_parity"))
        .args([
            "compare",
            sound,
            other,
            "--html",
            "./candidate/first/audio.wav",
        ])
        .current_dir(dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("is what is compared"), "{said}");
    Recording::read(dir.path().join("candidate")).unwrap();
    assert!(before.cases == after.cases);
    assert_eq!(names(dir.path()), ["candidate", "golden", "link"]);
}
