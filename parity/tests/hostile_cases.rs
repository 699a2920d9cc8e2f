//! Files of cases that somebody made to do harm, or cut off by accident: refused, with the reason.

use std::fs;
use std::path::Path;

use parity::case::CaseFile;

const CASE: &str = "[[case]]\nname = \"a-1\"\nmode = \"zero-shot\"\ntext = \"Hello.\"\n\
                    prompt_text = \"Hi.\"\nprompt_wav = \"a.wav\"\nseed = 3\n";

fn load(toml: &str) -> Result<CaseFile, String> {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.wav"), b"").unwrap();
    let path = dir.path().join("cases.toml");
    fs::write(&path, toml).unwrap();
    CaseFile::load(path).map_err(|e| {
        let message = e.to_string();
        assert!(message.contains("cases.toml"), "{message}");
        message
    })
}

#[test]
fn cases_that_no_engine_can_run_are_refused() {
    let with = |from: &str, to: &str| CASE.replace(from, to);
    let more = |line: &str| format!("{CASE}{line}\n");
    let conversion = |line: &str| {
        format!(
            "[[case]]\nname = \"a\"\nmode = \"vc\"\nprompt_wav = \"a.wav\"\nsource_wav = \"a.wav\"\n\
             {line}\n"
        )
    };
    let long = "a".repeat(100_000);
    let refused = [
        // Names, which become folders.
        (with("a-1", ""), "a name is made of"),
        (with("a-1", "../x"), "a name is made of"),
        (with("a-1", "/etc/passwd"), "a name is made of"),
        (with("a-1", ".."), "a name is made of"),
        (with("a-1", "a/b"), "a name is made of"),
        (with("a-1", "a\\\\b"), "a name is made of"),
        (with("a-1", "A"), "a name is made of"),
        (with("a-1", "a\\u0000"), "a name is made of"),
        (with("a-1", "ａ"), "a name is made of"),
        (with("a-1", &long), "a name is made of"),
        (format!("{CASE}{CASE}"), "used twice"),
        // Paths.
        (with("a.wav", "/etc/passwd"), "leads out of the folder"),
        (with("a.wav", "../a.wav"), "leads out of the folder"),
        (with("a.wav", "b/../../a.wav"), "leads out of the folder"),
        (with("a.wav", ""), "path of a recording is empty"),
        (with("a.wav", "b.wav"), "b.wav does not exist"),
        (with("a.wav", "."), "does not exist"),
        (with("a.wav", &long), "does not exist"),
        (
            conversion("").replacen("source_wav = \"a.wav\"", "source_wav = \"/a.wav\"", 1),
            "leads out of the folder",
        ),
        // Numbers.
        (with("seed = 3", "seed = -1"), "seed"),
        (with("seed = 3", "seed = 4294967296"), "at most 4294967295"),
        (with("seed = 3", "seed = 99999999999999999999"), "seed"),
        (with("seed = 3", "seed = 3.5"), "expected u64"),
        (with("seed = 3", "seed = \"3\""), "expected u64"),
        (more("speed = 0.0"), "speed is 0"),
        (more("speed = -1.0"), "speed is -1"),
        (more("speed = nan"), "speed is NaN"),
        (more("speed = inf"), "speed is inf"),
        (more("speed = 1e-300"), "must be from 0.1 to 10"),
        (more("speed = 1e300"), "must be from 0.1 to 10"),
        (more("speed = \"1\""), "expected f64"),
        (more("stream = true\nspeed = 1.2"), "of a stream"),
        (more("stream = 1"), "expected a boolean"),
        // Texts.
        (with("Hello.", ""), "needs text"),
        (with("Hello.", " \\t\\n"), "the text is empty"),
        (
            with("text = \"Hello.\"", "pieces = [\"\", \" \"]"),
            "the text is empty",
        ),
        (with("text = \"Hello.\"", "pieces = []"), "needs text"),
        (
            with("text = \"Hello.\"", "pieces = \"a\""),
            "expected a sequence",
        ),
        (
            with("Hello.", &long),
            "text has 100000 characters, and at most 20000",
        ),
        (
            with("\"Hi.\"", &format!("\"{long}\"")),
            "prompt_text has 100000 characters",
        ),
        (
            more(&format!("speaker = \"{long}\"")),
            "speaker has 100000 characters",
        ),
        (more("speaker = \"\""), "needs a name"),
        (with("prompt_text = \"Hi.\"\n", ""), "needs prompt_text"),
        // Fields.
        (more("sed = 4"), "unknown field `sed`"),
        (more("seed = 4"), "duplicate key"),
        (with("zero-shot", "sing"), "unknown variant `sing`"),
        (with("mode = \"zero-shot\"\n", ""), "missing field `mode`"),
        (
            with("prompt_wav = \"a.wav\"\n", ""),
            "missing field `prompt_wav`",
        ),
        (more("keep = \"nothing\""), "unknown variant `nothing`"),
        (more("lm_weights = \"../llm.pt\""), "unknown variant"),
        (more("instruct = \"Sing.\""), "no use for instruct"),
        (more("source_wav = \"a.wav\""), "no use for source_wav"),
        (conversion("text = \"Hello.\""), "no use for text"),
        (conversion("lm_weights = \"rl\""), "no use for lm_weights"),
        (conversion("keep = \"tokens\""), "samples no tokens"),
        // The file.
        ("case = 3\n".into(), "expected a sequence"),
        ("[case]\nname = \"a\"\n".into(), "expected a sequence"),
        ("\u{0}".into(), "TOML parse error"),
        (format!("a = {}", "[".repeat(100_000)), "TOML parse error"),
        (CASE[..CASE.len() - 12].into(), "TOML parse error"),
    ];
    assert!(refused.len() >= 55, "{}", refused.len());
    for (toml, reason) in refused {
        let message = load(&toml).unwrap_err();
        let start: String = toml.chars().take(200).collect();
        assert!(
            message.contains(reason),
            "{reason:?} is not in {message}\n{start}"
        );
    }
    load(CASE).unwrap();
    load(&conversion("")).unwrap();
}

#[test]
fn a_cases_file_that_is_none_is_refused_before_it_fills_the_memory() {
    let dir = tempfile::tempdir().unwrap();
    let message = |path: &Path| CaseFile::load(path).unwrap_err().to_string();
    assert!(message(&dir.path().join("absent")).contains("No such file"));
    assert!(message(dir.path()).contains("directory"));
    let path = dir.path().join("latin1.toml");
    fs::write(&path, b"# caf\xe9").unwrap();
    assert!(message(&path).contains("not UTF-8"));
    if cfg!(unix) {
        assert!(message(Path::new("/dev/zero")).contains("larger than"));
    }
}
