//! The commands of the guides and the README: every subcommand and flag that they name exists.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::model;

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

/// The commands of the guide's story, run as they stand there; the page shows what they print.
#[test]
#[cfg(unix)]
fn the_story_of_a_port_goes_as_the_guide_tells_it() {
    let parity = Path::new(env!("CARGO_BIN_EXE_parity"));
    let built = parity.parent().unwrap();
    if !built.join("examples/my-port").exists() {
        println!("SKIPPED: the story of own-port.md: the example `my-port` is not built");
        return;
    }
    let root = model::workspace();
    let guide = std::fs::read_to_string(root.join("parity/docs/guides/own-port.md")).unwrap();
    let story = guide.split("## ").find(|s| s.starts_with("Five commands"));
    let story = story.unwrap();
    let commands: Vec<_> = story
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with("parity "))
        .collect();

    let place = tempfile::tempdir().unwrap();
    let link = |from: &Path, to: &str| std::os::unix::fs::symlink(from, place.path().join(to));
    std::fs::create_dir(place.path().join("out")).unwrap();
    link(&root.join("golden"), "golden").unwrap();
    link(&root.join(".cache"), ".cache").unwrap();
    link(model::voice(), "out/voice-7").unwrap();
    let path = std::env::var("PATH").unwrap();
    let (built, examples) = (built.display(), built.join("examples"));
    let path = format!("{built}:{}:{path}", examples.display());

    let run = |command: &str| {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", command])
            .current_dir(place.path())
            .env("PATH", &path);
        let output = shell.output().unwrap();
        let said = [&output.stdout[..], &output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    };
    let ran: Vec<_> = commands.iter().map(|command| run(command)).collect();
    let codes: Vec<_> = ran.iter().map(|(code, _)| code.unwrap()).collect();
    assert_eq!(codes, [0, 0, 2, 2, 0, 2], "{commands:#?} {ran:#?}");

    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let shown = story.split("```").nth(1).unwrap();
    let said = one_line(&ran[2].1);
    assert!(said.starts_with(&one_line(shown)), "{said}");
    // Mended, what it recorded is right, and nothing else is called so.
    let mended = &ran[5].1;
    assert!(mended.contains("MISSING"), "{mended}");
    assert!(!mended.contains("FAIL  "), "{mended}");
    assert!(!mended.contains("likely:"), "{mended}");
}
