use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, bail};
use native::engine::{ModeName, Text, check_speed};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::mode::ModeOptions;

/// A request as it is written: one JSON object.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Raw {
    /// Names the files; the request's number if absent.
    #[serde(default)]
    name: Option<String>,
    #[serde(default = "zero_shot")]
    mode: ModeName,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    pieces: Option<Vec<String>>,
    #[serde(default)]
    prompt_wav: Option<PathBuf>,
    #[serde(default)]
    prompt_text: Option<String>,
    #[serde(default)]
    speaker: Option<String>,
    #[serde(default)]
    instruct: Option<String>,
    #[serde(default)]
    source_wav: Option<PathBuf>,
    #[serde(default)]
    seed: Option<u64>,
    #[serde(default)]
    speed: Option<f64>,
    #[serde(default)]
    pause: Option<f64>,
}

fn zero_shot() -> ModeName {
    ModeName::ZeroShot
}

/// What requests have that do not say it themselves.
#[derive(Clone, Copy, Debug)]
pub struct Defaults {
    pub seed: u64,
    pub pause: Duration,
}

/// A request that can be tried.
pub struct Item {
    /// Where it is written, such as `requests.jsonl:3`.
    pub place: String,
    /// Names the files.
    pub name: String,
    /// How text and voice are combined.
    pub mode: ModeOptions,
    /// The text; empty in voice conversion.
    pub text: Text,
    /// The recording of the voice, if it names one.
    pub prompt_wav: Option<PathBuf>,
    /// The saved speaker, if it names one.
    pub speaker: Option<String>,
    /// The seed of the sampling.
    pub seed: u64,
    /// The speed of the speech.
    pub speed: f64,
    /// The silence between segments.
    pub pause: Duration,
    /// All that it says, to know it again when the run goes on.
    pub says: Value,
}

/// A request that cannot be said, with its place and the reason.
#[derive(Debug, Serialize)]
pub struct Failure {
    pub place: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub error: String,
}

/// The requests of a file, and those that cannot be read.
#[derive(Default)]
pub struct Requests {
    pub items: Vec<Item>,
    pub failures: Vec<Failure>,
}

impl Requests {
    /// Reads `path`: JSON lines, or a JSON list. `-` is standard input.
    ///
    /// # Errors
    /// If it cannot be read, is a list that is not JSON, or has no request.
    pub fn read(path: &Path, defaults: Defaults) -> anyhow::Result<Self> {
        let from_stdin = path.as_os_str() == "-";
        let (text, shown) = match from_stdin {
            true => (
                std::io::read_to_string(std::io::stdin()),
                "standard input".into(),
            ),
            false => (std::fs::read_to_string(path), path.display().to_string()),
        };
        let text = text.with_context(|| format!("{shown}: cannot read requests from it"))?;
        let folder = match from_stdin {
            true => Path::new(""),
            false => path.parent().unwrap_or(Path::new("")),
        };
        let mut requests = Self::default();
        for (number, place, value) in values(&text, &shown)? {
            let raw = value.and_then(serde_json::from_value::<Raw>);
            let name = raw.as_ref().ok().and_then(|raw| raw.name.clone());
            let item = raw
                .map_err(anyhow::Error::from)
                .and_then(|raw| Item::new(raw, number, place.clone(), folder, defaults));
            match item {
                Ok(item) => requests.items.push(item),
                Err(error) => requests.failures.push(Failure {
                    place,
                    name,
                    error: native::error_chain(error.as_ref()),
                }),
            }
        }
        if requests.items.is_empty() && requests.failures.is_empty() {
            bail!(
                "{shown}: there is no request in it; each is a line such as {{\"text\": \"Hello.\"}}"
            );
        }
        requests.refuse_doubles();
        Ok(requests)
    }

    /// Of requests that would write the same files, none is said.
    fn refuse_doubles(&mut self) {
        let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for item in &self.items {
            // Some file systems take both for one name.
            let key = item.name.to_lowercase();
            places.entry(key).or_default().push(item.place.clone());
        }
        let is_double = |item: &mut Item| {
            let same = places.get(&item.name.to_lowercase());
            same.is_some_and(|places| places.len() > 1)
        };
        for item in self.items.extract_if(.., is_double) {
            let same = places.get(&item.name.to_lowercase()).into_iter().flatten();
            let others = same.filter(|place| **place != item.place);
            let others: Vec<_> = others.map(String::as_str).collect();
            self.failures.push(Failure {
                place: item.place.clone(),
                error: format!(
                    "the name {:?} is also that of {}",
                    item.name,
                    others.join(", ")
                ),
                name: Some(item.name),
            });
        }
    }
}

type Numbered = (usize, String, serde_json::Result<Value>);

/// The requests of a file with their numbers, counted from 1, and places.
fn values(text: &str, shown: &str) -> anyhow::Result<Vec<Numbered>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim_start().starts_with('[') {
        let list: Vec<Value> = serde_json::from_str(text).with_context(|| shown.to_owned())?;
        let numbered = (1..).zip(list);
        return Ok(numbered
            .map(|(number, value)| (number, format!("{shown}, request {number}"), Ok(value)))
            .collect());
    }
    let lines = text.lines().zip(1..);
    let lines = lines.filter(|(line, _)| !line.trim().is_empty());
    Ok(lines
        .map(|(line, at)| (at, format!("{shown}:{at}"), serde_json::from_str(line)))
        .collect())
}

impl Item {
    fn new(
        raw: Raw,
        number: usize,
        place: String,
        folder: &Path,
        defaults: Defaults,
    ) -> anyhow::Result<Self> {
        let name = raw.name.clone().unwrap_or_else(|| format!("{number:05}"));
        check_name(&name)?;
        let text = match (&raw.text, &raw.pieces) {
            (Some(_), Some(_)) => bail!("it has both a text and pieces"),
            (None, Some(pieces)) => Text::Pieces(pieces.clone()),
            (Some(_), None) if raw.mode == ModeName::Vc => {
                bail!("vc has no use for a text: it keeps the words of source_wav")
            }
            (Some(text), None) => Text::Whole(text.clone()),
            (None, None) if raw.mode == ModeName::Vc => Text::Whole(String::new()),
            (None, None) => bail!("it has no text"),
        };
        if raw.speaker.is_some() && (raw.prompt_wav.is_some() || raw.prompt_text.is_some()) {
            bail!("a saved speaker has a recording and a transcript of its own");
        }
        let pause = match raw.pause {
            Some(pause) => crate::text_source::seconds(&pause.to_string()),
            None => Ok(defaults.pause),
        };
        let speed = raw.speed.unwrap_or(1.0);
        check_speed(speed, false)?;
        let found = |wav: &Option<PathBuf>| wav.as_ref().map(|wav| folder.join(wav));
        let (prompt_wav, source_wav) = (found(&raw.prompt_wav), found(&raw.source_wav));
        let seed = raw.seed.unwrap_or(defaults.seed);
        let pause = pause.map_err(anyhow::Error::msg)?;
        let says = serde_json::json!({
            "request": raw,
            "seed": seed,
            "pause": pause.as_secs_f64(),
            "files": [stamp(prompt_wav.as_deref()), stamp(source_wav.as_deref())],
        });
        Ok(Self {
            place,
            name,
            mode: ModeOptions {
                mode: raw.mode,
                prompt_text: raw.prompt_text,
                instruct: raw.instruct,
                source_wav,
            },
            text,
            prompt_wav,
            speaker: raw.speaker,
            seed,
            speed,
            pause,
            says,
        })
    }
}

/// A name becomes that of files in one folder.
fn check_name(name: &str) -> anyhow::Result<()> {
    /// Most bytes, so that an ending and a partial file's name fit behind it.
    const LONGEST: usize = 150;
    let plain = |c: char| {
        !c.is_control() && !matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|')
    };
    let fits = (1..=LONGEST).contains(&name.len());
    if fits && !name.starts_with('.') && name.trim() == name && name.chars().all(plain) {
        return Ok(());
    }
    bail!(
        "{name:?} cannot name a file: use at most {LONGEST} letters, digits, hyphens and the like"
    )
}

/// What a file is known by: its path, length and time of change.
fn stamp(path: Option<&Path>) -> Option<Value> {
    let path = path?;
    let there = std::fs::metadata(path).ok();
    let changed = there.as_ref().and_then(|m| m.modified().ok());
    let changed = changed.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    Some(serde_json::json!({
        "path": path,
        "bytes": there.map(|m| m.len()),
        "changed": changed.map(|c| c.as_millis() as u64),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULTS: Defaults = Defaults {
        seed: 7,
        pause: Duration::ZERO,
    };

    fn read(text: &str) -> Requests {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("requests.jsonl");
        std::fs::write(&path, text).expect("a file");
        Requests::read(&path, DEFAULTS).expect("requests")
    }

    #[test]
    fn lines_and_lists_are_read_alike_and_numbered() {
        let lines = "{\"text\": \"One.\"}\n\n{\"name\": \"b\", \"text\": \"Two.\", \"seed\": 3}\n";
        let list = "[{\"text\": \"One.\"}, {\"name\": \"b\", \"text\": \"Two.\", \"seed\": 3}]";
        for text in [lines, list] {
            let requests = read(text);
            let found = requests.items.iter().map(|i| (&*i.name, i.seed));
            assert_eq!(found.collect::<Vec<_>>(), [("00001", 7), ("b", 3)]);
            assert!(requests.failures.is_empty());
        }
        assert!(read(lines).items[1].place.ends_with("requests.jsonl:3"));
    }

    #[test]
    fn a_wrong_line_is_named_with_its_reason_and_the_others_stay() {
        let lines = [
            ("{\"text\": \"Fine.\"}", ""),
            ("{\"text\": \"cut", "EOF"),
            ("{\"txt\": \"a\"}", "unknown field `txt`"),
            (
                "{\"name\": \"../a\", \"text\": \"a\"}",
                "cannot name a file",
            ),
            ("{\"name\": \"a\"}", "it has no text"),
            (
                "{\"text\": \"a\", \"pieces\": [\"a\"]}",
                "both a text and pieces",
            ),
            ("{\"text\": \"a\", \"speed\": 0}", "speed 0"),
            ("{\"text\": \"a\", \"pause\": -1}", "a pause is"),
            ("{\"mode\": \"vc\", \"text\": \"a\"}", "no use for a text"),
            (
                "{\"text\": \"a\", \"speaker\": \"x\", \"prompt_wav\": \"a.wav\"}",
                "of its own",
            ),
        ];
        let text = lines.map(|(line, _)| line).join("\n");
        let requests = read(&text);
        assert_eq!(requests.items.len(), 1);
        for (failure, (at, (line, words))) in requests.failures.iter().zip((1..).zip(lines).skip(1))
        {
            assert!(
                failure.place.ends_with(&format!(":{at}")),
                "{}",
                failure.place
            );
            assert!(failure.error.contains(words), "{line}: {}", failure.error);
        }
    }

    #[test]
    fn requests_of_one_name_are_all_refused_with_each_others_place() {
        let requests = read(
            "{\"name\":\"A\",\"text\":\"a\"}\n{\"name\":\"a\",\"text\":\"b\"}\n{\"text\":\"c\"}",
        );
        assert_eq!(requests.items.len(), 1);
        assert_eq!(requests.failures.len(), 2);
        assert!(requests.failures[0].error.contains("requests.jsonl:2"));
        assert!(requests.failures[1].error.contains("requests.jsonl:1"));
    }
}
