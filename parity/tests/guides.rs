//! The commands of the guides and the README: every subcommand and flag that they name exists.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The words of a command line, up to a comment, a pipe or the next command.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, ' ') => words.push(String::new()),
            (None, '#' | '|' | '>') => break,
            (_, c) => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Lines of code in a page that begin with `parity`, and the page.
fn commands() -> Vec<(PathBuf, Vec<String>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec![root.join("../README.md")];
    for folder in ["docs", "docs/guides", "docs/formats", "docs/scale"] {
        let entries = std::fs::read_dir(root.join(folder)).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        pages.extend(paths.filter(|path| path.extension().is_some_and(|e| e == "md")));
    }
    let mut found = Vec::new();
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        for line in text.lines().filter_map(|line| line.strip_prefix("    ")) {
            let words = words(line);
            if words.first().is_some_and(|word| word == "parity") {
                found.push((page.clone(), words[1..].to_vec()));
            }
        }
    }
    found
}

fn help(subcommand: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parity"));
    let output = command.args(subcommand).arg("--help").output().unwrap();
    assert!(
        output.status.success(),
        "parity {subcommand:?} does not exist"
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_command_in_the_pages_exists_with_its_flags() {
    let commands = commands();
    let mut used = BTreeSet::new();
    for (page, words) in &commands {
        let page = page.display();
        let mut subcommand = vec![words[0].trim_end_matches(',')];
        if words[0] == "text" {
            subcommand.push(&words[1]);
        }
        if subcommand == ["text", "fuzz"] || subcommand == ["text", "record"] {
            continue; // only in a build with the reference
        }
        let help = help(&subcommand);
        used.insert(words[0].clone());
        for flag in words.iter().filter(|word| word.starts_with("--")) {
            let flag = flag.split('=').next().unwrap();
            // Of a build with the reference.
            let elsewhere = ["--cosyvoice-root", "--python-env"].contains(&flag);
            assert!(
                elsewhere
                    || help.contains(&format!("{flag} "))
                    || help.contains(&format!("{flag}\n"))
                    || help.contains(&format!("{flag}["))
                    || help.contains(&format!("{flag}=")),
                "{page}: parity {} has no {flag}",
                subcommand.join(" ")
            );
        }
    }
    assert!(commands.len() > 20 && used.len() > 8, "{used:?}");
}
