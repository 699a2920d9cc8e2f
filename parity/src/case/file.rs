use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Case;
use super::raw::RawCase;
use crate::{bounded, suggest};

/// The cases of one file, in its order.
#[derive(Clone, Debug)]
pub struct CaseFile {
    /// The folder that the cases' paths are relative to.
    pub dir: PathBuf,
    /// The cases.
    pub cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Toml {
    #[serde(default)]
    case: Vec<RawCase>,
}

/// Why a cases file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The cases file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The file is not TOML, or not of this shape.
    #[error("{}: {source}", path.display())]
    Toml {
        /// The cases file.
        path: PathBuf,
        /// The position and the cause.
        source: Box<toml::de::Error>,
    },
    /// A case cannot be run.
    #[error("{}: case \"{case}\": {reason}", path.display())]
    Invalid {
        /// The cases file.
        path: PathBuf,
        /// The case's name.
        case: String,
        /// What is missing or wrong.
        reason: String,
    },
    /// The file lacks the requested case.
    #[error(
        "the cases file in {} has no case `{case}` (--cases names another): {}",
        path.display(),
        suggest::hint(case, known)
    )]
    Unknown {
        /// The folder of the cases file.
        path: PathBuf,
        /// The requested case.
        case: String,
        /// The cases of the file.
        known: Vec<String>,
    },
}

impl CaseFile {
    /// Reads and checks `path`: names, the fields that each mode needs, and that the recordings
    /// exist.
    ///
    /// # Errors
    /// If the file cannot be read, or a case cannot be run.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let read = bounded::read_text(path, bounded::HAND_WRITTEN);
        let text = read.map_err(|source| Error::Io {
            path: path.to_owned(),
            source,
        })?;
        let toml: Toml = toml::from_str(&text).map_err(|source| Error::Toml {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        let dir = path.parent().unwrap_or(Path::new("")).to_owned();
        let mut file = Self {
            dir,
            cases: Vec::with_capacity(toml.case.len()),
        };
        let mut names = BTreeSet::new();
        for raw in toml.case {
            let name = raw.name.clone();
            let invalid = |reason: String| Error::Invalid {
                path: path.to_owned(),
                case: name.clone(),
                reason,
            };
            let case = Case::try_from(raw).map_err(invalid)?;
            case.check().map_err(invalid)?;
            if !names.insert(name.clone()) {
                return Err(invalid("the name is used twice".into()));
            }
            for wav in std::iter::once(&*case.prompt_wav).chain(case.source_wav()) {
                let wav = file.resolve(wav);
                if !wav.is_file() {
                    return Err(invalid(format!("{} does not exist", wav.display())));
                }
            }
            file.cases.push(case);
        }
        Ok(file)
    }

    /// The path of a recording that a case names.
    pub fn resolve(&self, wav: &Path) -> PathBuf {
        self.dir.join(wav)
    }

    /// Keeps the cases in `names`, in the file's order; all of them if `names` is empty.
    ///
    /// # Errors
    /// If the file lacks one of `names`.
    pub fn select(mut self, names: &[String]) -> Result<Self, Error> {
        if names.is_empty() {
            return Ok(self);
        }
        let known: Vec<String> = self.cases.iter().map(|c| c.name.clone()).collect();
        if let Some(case) = names.iter().find(|n| !known.contains(n)) {
            return Err(Error::Unknown {
                path: self.dir,
                case: case.clone(),
                known,
            });
        }
        self.cases.retain(|c| names.contains(&c.name));
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Keep, LmSet, ModeName, Text};
    use super::*;

    fn load(toml: &str) -> Result<CaseFile, Error> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.wav"), b"").unwrap();
        let path = dir.path().join("cases.toml");
        std::fs::write(&path, toml).unwrap();
        CaseFile::load(path)
    }

    const GOOD: &str = "[[case]]\nname = \"a-1\"\nmode = \"zero-shot\"\ntext = \"Hello.\"\n\
                        prompt_text = \"Hi.\"\nprompt_wav = \"a.wav\"\nseed = 3\n";

    #[test]
    fn defaults_match_the_reference() {
        let file = load(GOOD).unwrap();
        let case = &file.cases[0];
        assert_eq!(
            (case.mode_name(), case.seed, case.stream, case.speed),
            (ModeName::ZeroShot, 3, false, 1.0)
        );
        assert_eq!(case.keep, Keep::Everything);
    }

    #[test]
    fn text_in_pieces_and_saved_speakers_are_read() {
        let toml = GOOD
            .replace("text = \"Hello.\"", "pieces = [\"Hel\", \"lo.\"]")
            .replace("seed = 3", "speaker = \"anna\"\nlm_weights = \"rl\"");
        let case = &load(&toml).unwrap().cases[0];
        let pieces = ["Hel", "lo."].map(str::to_owned).into();
        assert_eq!(case.text(), Some(&Text::Pieces(pieces)));
        let speaker = case.speaker.as_ref().unwrap();
        assert_eq!((&*speaker.name, &*speaker.transcript), ("anna", "Hi."));
        assert_eq!(case.lm_weights, Some(LmSet::Rl));
        // The transcript is saved with a speaker in every mode.
        let cross_lingual = GOOD.replace("zero-shot", "cross-lingual");
        load(&format!("{cross_lingual}speaker = \"anna\"\n")).unwrap();
    }

    #[test]
    fn unusable_cases_are_refused_with_the_reason() {
        let refused = [
            (GOOD.replace("a-1", "A 1"), "a-z"),
            (
                GOOD.replace("prompt_text = \"Hi.\"\n", ""),
                "needs prompt_text",
            ),
            (
                GOOD.replace("zero-shot", "cross-lingual"),
                "no use for prompt_text",
            ),
            (
                GOOD.replace("zero-shot", "vc").replace(
                    "text = \"Hello.\"",
                    "source_wav = \"a.wav\"\npieces = [\"a\"]",
                ),
                "no use for pieces",
            ),
            (GOOD.replace("a.wav", "b.wav"), "b.wav does not exist"),
            (format!("{GOOD}{GOOD}"), "used twice"),
            (format!("{GOOD}sed = 4\n"), "unknown field `sed`"),
            (format!("{GOOD}speed = 0.0\n"), "speed is 0"),
            (format!("{GOOD}stream = true\nspeed = 1.2\n"), "of a stream"),
            (
                format!("{GOOD}pieces = [\"Hel\", \"lo\"]\n"),
                "no use for text",
            ),
            (format!("{GOOD}speaker = \"\"\n"), "needs a name"),
            (
                format!("{GOOD}keep = \"tokens\"\nstream = true\n"),
                "no sound to stream",
            ),
            (
                GOOD.replace(
                    "text = \"Hello.\"\nprompt_text = \"Hi.\"\n",
                    "pieces = [\"a\"]\n",
                )
                .replace("zero-shot", "cross-lingual"),
                "needs a prompt with <|endofprompt|>",
            ),
        ];
        for (toml, reason) in refused {
            let message = load(&toml).unwrap_err().to_string();
            assert!(message.contains(reason), "{message}");
        }
    }

    #[test]
    fn selecting_an_unknown_case_suggests_the_one_that_was_meant() {
        for (name, hint) in [("b", "there are a-1"), ("a-11", "did you mean `a-1`?")] {
            let selected = load(GOOD).unwrap().select(&[name.to_owned()]);
            let message = selected.unwrap_err().to_string();
            let expected = format!("has no case `{name}` (--cases names another): {hint}");
            assert!(message.ends_with(&expected), "{message}");
        }
    }

    #[test]
    fn json_keeps_the_field_order_of_recordings() {
        let case = load(GOOD).unwrap().cases.remove(0);
        let json = serde_json::to_string(&case).unwrap();
        assert_eq!(
            json,
            r#"{"name":"a-1","mode":"zero-shot","text":"Hello.","prompt_text":"Hi.","prompt_wav":"a.wav","seed":3,"stream":false,"speed":1.0,"keep":"everything"}"#
        );
        assert_eq!(serde_json::from_str::<Case>(&json).unwrap(), case);
    }
}
