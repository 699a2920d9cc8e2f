//! A checkout whose line ends Git has rewritten is told apart from one that is damaged.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::{made_up, model};
use parity::recording::{Error, Recording};

fn with_crlf(path: &Path) {
    let text = fs::read_to_string(path).unwrap();
    fs::write(path, text.replace('\n', "\r\n")).unwrap();
}

#[test]
fn a_file_whose_line_ends_became_crlf_is_said_to_have_them() {
    for file in ["manifest.json", "first/case.json", "first/text.json"] {
        let dir = tempfile::tempdir().unwrap();
        made_up::golden().write(dir.path().join("golden")).unwrap();
        let path = dir.path().join("golden").join(file);
        with_crlf(&path);
        let error = Recording::read(dir.path().join("golden")).unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }), "{error}");
        let said = error.to_string();
        assert!(said.contains(file), "{said}");
        assert!(said.contains("line ends were turned into CRLF"), "{said}");
        assert!(said.contains("core.autocrlf false"), "{said}");
        // With another change besides, it is damaged like any other.
        let text = fs::read_to_string(&path).unwrap().replacen('1', "2", 1);
        fs::write(&path, text).unwrap();
        let said = Recording::read(dir.path().join("golden")).unwrap_err();
        assert!(!said.to_string().contains("CRLF"), "{said}");
    }
}

#[test]
fn git_leaves_the_bytes_of_every_golden_alone() {
    let root = model::workspace();
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .current_dir(root)
            .args(arguments)
            .output();
        output.ok().filter(|o| o.status.success()).map(|o| o.stdout)
    };
    let Some(listed) = git(&["ls-files", "golden"]).filter(|names| !names.is_empty()) else {
        println!("SKIPPED: no Git here, or this is no checkout; .gitattributes was not checked");
        return;
    };
    let listed = String::from_utf8(listed).unwrap();
    let mut arguments = vec!["check-attr", "text", "--"];
    arguments.extend(listed.lines());
    let attributes = String::from_utf8(git(&arguments).unwrap()).unwrap();
    assert!(attributes.lines().count() > 300);
    for line in attributes.lines() {
        assert!(line.ends_with(": text: unset"), "{line}");
    }
}
