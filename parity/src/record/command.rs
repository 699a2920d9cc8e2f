//! Any program as an engine: it is run once a case, and its sound is recorded, with its tokens if it
//! prints them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::array::Array;
use crate::case::{Case, CaseFile, ModeName};
use crate::child::{last_lines, reading, said};
use crate::recording::{SAMPLE_RATE, Told};
use crate::sound::FileSound;
use crate::stage::{Key, Stage};

/// How often it is looked whether the program has ended.
const POLL: Duration = Duration::from_millis(10);
/// Lines of the program's complaint that an error repeats.
const LAST_LINES: usize = 4;

/// The placeholders of a template. `{text}` is the text to speak, its pieces joined; `{out}` is the
/// sound file that the program writes, of 24 kHz in any container.
pub const PLACEHOLDERS: [&str; 12] = [
    "{text}",
    "{prompt_text}",
    "{instruct}",
    "{prompt_wav}",
    "{source_wav}",
    "{mode}",
    "{seed}",
    "{speed}",
    "{stream}",
    "{case}",
    "{model_dir}",
    "{out}",
];

/// A command line for one case.
#[derive(Clone, Debug)]
pub struct CommandEngine {
    template: String,
    limit: Duration,
}

/// Why a case could not be recorded with a command.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The template cannot be filled in.
    #[error("the command {0}")]
    Template(String),
    /// The program could not be started, or its output could not be read.
    #[error("the command cannot be run: {0}")]
    Io(#[from] std::io::Error),
    /// The program failed.
    #[error("the command failed ({status}){said}")]
    Failed {
        /// Its exit status.
        status: ExitStatus,
        /// The end of what it wrote to standard error.
        said: String,
    },
    /// The program did not end.
    #[error("the command did not end within {} s", .0.as_secs())]
    Endless(Duration),
    /// The sound that it wrote cannot be read.
    #[error("what the command wrote to {{out}} cannot be used: {0}")]
    Sound(#[from] crate::sound::Error),
    /// The sound is not the speech of this model.
    #[error(
        "the command wrote a sound of {rate} Hz; the model's speech has {SAMPLE_RATE} Hz, and a \
         resampled one cannot be compared"
    )]
    Rate {
        /// Its rate.
        rate: u32,
    },
    /// It printed a JSON object that is not one of tokens.
    #[error("the command printed JSON that has no tokens: {0}")]
    Tokens(String),
}

impl CommandEngine {
    /// A command from its template, such as `prog --text {text} --wav {prompt_wav} -o {out}`, that
    /// may take so long for a case.
    ///
    /// # Errors
    /// If it has no `{out}`, or an unknown placeholder.
    pub fn new(template: &str, limit: Duration) -> Result<Self, Error> {
        // Other braces are the shell's or JSON's.
        let of_name = |c: char| c.is_ascii_lowercase() || c == '_';
        for (start, _) in template.match_indices('{') {
            let name = template[start + 1..].split_once('}').map(|(name, _)| name);
            let Some(name) = name.filter(|n| !n.is_empty() && n.chars().all(of_name)) else {
                continue;
            };
            let found = format!("{{{name}}}");
            if !PLACEHOLDERS.contains(&found.as_str()) {
                let known = PLACEHOLDERS.join(" ");
                return Err(Error::Template(format!("has {found}; there are {known}")));
            }
        }
        if !template.contains("{out}") {
            return Err(Error::Template(
                "has no {out}, the file that it writes its sound to".to_owned(),
            ));
        }
        Ok(Self {
            template: template.to_owned(),
            limit,
        })
    }

    /// The placeholder without which the command cannot say a case as it is meant, if the template
    /// lacks it: a program that is not told the mode says everything as zero-shot.
    pub fn lacks(&self, case: &Case) -> Option<&'static str> {
        let of_mode = match case.mode_name() {
            ModeName::ZeroShot => None,
            ModeName::CrossLingual => Some("{mode}"),
            ModeName::Instruct => Some("{instruct}"),
            ModeName::Vc => Some("{source_wav}"),
        };
        let needed = [
            of_mode,
            case.stream.then_some("{stream}"),
            (case.speed != 1.0).then_some("{speed}"),
        ];
        // Who knows the case's name can look up the rest.
        let knows_all = self.template.contains("{case}");
        let lacking = needed.into_iter().flatten();
        let mut lacking = lacking.filter(|name| !self.template.contains(name));
        lacking.next().filter(|_| !knows_all)
    }

    /// The command line for a case, quoted for the shell.
    pub fn line(&self, case: &Case, file: &CaseFile, model_dir: &Path, out: &Path) -> String {
        let path = |path: &Path| path.display().to_string();
        let mut line = String::new();
        let mut rest = self.template.as_str();
        while let Some((start, name)) = next_placeholder(rest) {
            let value = match name {
                "{text}" => case.text().map(|text| text.joined()).unwrap_or_default(),
                "{prompt_text}" => case.prompt_text().unwrap_or_default().to_owned(),
                "{instruct}" => case.instruct().unwrap_or_default().to_owned(),
                "{prompt_wav}" => path(&file.resolve(&case.prompt_wav)),
                "{source_wav}" => {
                    let source = case.source_wav().map(|wav| path(&file.resolve(wav)));
                    source.unwrap_or_default()
                }
                "{mode}" => case.mode_name().name().to_owned(),
                "{seed}" => case.seed.to_string(),
                "{speed}" => case.speed.to_string(),
                "{stream}" => case.stream.to_string(),
                "{case}" => case.name.clone(),
                "{model_dir}" => path(model_dir),
                _ => path(out),
            };
            line += &rest[..start];
            line += &quoted(&value);
            rest = &rest[start + name.len()..];
        }
        line + rest
    }

    /// Runs the program for a case, in a scratch folder that is gone afterwards.
    ///
    /// # Errors
    /// If it fails, or writes something else than speech.
    pub fn record(&self, case: &Case, file: &CaseFile, model_dir: &Path) -> Result<Told, Error> {
        let scratch = tempfile::tempdir()?;
        let out = scratch.path().join("speech.wav");
        let line = self.line(case, file, model_dir, &out);
        let mut child = Command::new("sh")
            .arg("-c")
            .arg(&line)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let printed = reading(child.stdout.take());
        let errors = reading(child.stderr.take());
        let status = self.wait(&mut child)?;
        if !status.success() {
            let errors = said(errors);
            let last = last_lines(&errors, LAST_LINES);
            let said = last.iter().map(|line| format!("\n    {line}")).collect();
            return Err(Error::Failed { status, said });
        }
        let sound = FileSound::read(&out)?;
        if sound.rate != SAMPLE_RATE {
            return Err(Error::Rate { rate: sound.rate });
        }
        let tensors = match case.mode_name() {
            ModeName::Vc => BTreeMap::new(),
            _ => tokens(&said(printed))?,
        };
        Ok(Told {
            tensors,
            audio: Some(sound.samples.to_vec()),
        })
    }

    fn wait(&self, child: &mut Child) -> Result<ExitStatus, Error> {
        let started = Instant::now();
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            if started.elapsed() > self.limit {
                child.kill()?;
                child.wait()?;
                return Err(Error::Endless(self.limit));
            }
            std::thread::sleep(POLL);
        }
    }
}

/// The first placeholder of a text, and where it stands.
fn next_placeholder(text: &str) -> Option<(usize, &'static str)> {
    PLACEHOLDERS
        .iter()
        .filter_map(|name| Some((text.find(name)?, *name)))
        .min()
}

/// A word of a POSIX shell's command line.
pub fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// What a program may print: `{"segments": [{"tokens": […], "tokens_kept": […], "stop_mark": 6562}]}`
/// as `native synth --json` does, or `{"tokens": […]}` for a single segment.
#[derive(Deserialize)]
struct Printed {
    segments: Option<Vec<Segment>>,
    #[serde(flatten)]
    only: Segment,
}

#[derive(Default, Deserialize)]
struct Segment {
    tokens: Option<Vec<i64>>,
    tokens_kept: Option<Vec<i64>>,
    stop_mark: Option<i64>,
}

/// The tokens in the last JSON object that a program printed, if it printed one.
fn tokens(printed: &str) -> Result<BTreeMap<Key, Array>, Error> {
    let Some(object) = last_object(printed) else {
        return Ok(BTreeMap::new());
    };
    let wrong = |reason: String| Error::Tokens(reason);
    let printed: Printed = serde_json::from_value(object).map_err(|e| wrong(e.to_string()))?;
    let segments = printed.segments.unwrap_or_else(|| vec![printed.only]);
    let mut tensors = BTreeMap::new();
    for (i, segment) in segments.into_iter().enumerate() {
        let Some(tokens) = segment.tokens else {
            return Err(wrong(format!("segment {i} lacks the list \"tokens\"")));
        };
        tensors.insert(Key::segment(Stage::LlmTokens, i), Array::ids(tokens));
        if let Some(kept) = segment.tokens_kept {
            tensors.insert(Key::segment(Stage::LlmTokensKept, i), Array::ids(kept));
        }
        if let Some(mark) = segment.stop_mark {
            tensors.insert(Key::segment(Stage::LlmStop, i), Array::ids(vec![mark]));
        }
    }
    Ok(tensors)
}

/// The last line that is a JSON object, or the whole text if that is one.
fn last_object(text: &str) -> Option<serde_json::Value> {
    let object = |text: &str| {
        let value: serde_json::Value = serde_json::from_str(text.trim()).ok()?;
        value.is_object().then_some(value)
    };
    object(text).or_else(|| text.lines().rev().find_map(object))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_checked_before_anything_is_run() {
        let new = |template: &str| CommandEngine::new(template, Duration::from_secs(1));
        assert!(new("prog -o {out}").is_ok());
        let message = |template: &str| new(template).unwrap_err().to_string();
        assert!(message("prog").contains("no {out}"));
        assert!(message("prog {txt} {out}").contains("has {txt}; there are {text}"));
    }

    #[test]
    fn words_are_quoted_whatever_they_hold() {
        assert_eq!(quoted("It's $5 `now`"), r"'It'\''s $5 `now`'");
        assert_eq!(next_placeholder("a {out} {text}"), Some((2, "{out}")));
    }

    #[test]
    fn tokens_are_taken_from_the_last_object_printed() {
        let found = tokens("loading\n{\"tokens\": [1]}\n{\"tokens\": [3, 2]}\ndone\n").unwrap();
        let key = Key::segment(Stage::LlmTokens, 0);
        assert_eq!(found[&key], Array::ids(vec![3, 2]));
        assert!(tokens("no JSON\n[1]\n").unwrap().is_empty());
        let two = r#"{"segments": [{"tokens": [1], "stop_mark": 6562}, {"tokens": [2]}]}"#;
        assert_eq!(tokens(two).unwrap().len(), 3);
        assert!(tokens("{\"samples\": 3}").is_err());
    }
}
