use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Case;

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
    case: Vec<Case>,
}

/// What is wrong with a cases file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The cases file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The file is not TOML, or not of this shape.
    #[error("{}: {source}", path.display())]
    Toml {
        /// The cases file.
        path: PathBuf,
        /// Where, and what was expected.
        source: Box<toml::de::Error>,
    },
    /// A case cannot be run as it stands.
    #[error("{}: case \"{case}\": {reason}", path.display())]
    Invalid {
        /// The cases file.
        path: PathBuf,
        /// The case's name.
        case: String,
        /// What is missing or wrong.
        reason: String,
    },
    /// A case was asked for that the file does not have.
    #[error("{}: there is no case \"{case}\"; there are {}", path.display(), known.join(", "))]
    Unknown {
        /// The folder of the cases file.
        path: PathBuf,
        /// The case asked for.
        case: String,
        /// The cases there are.
        known: Vec<String>,
    },
}

impl CaseFile {
    /// Reads and checks `path`: names, the fields that each mode needs, and that the recordings
    /// are there.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|source| Error::Io {
            path: path.to_owned(),
            source,
        })?;
        let toml: Toml = toml::from_str(&text).map_err(|source| Error::Toml {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        let file = Self {
            dir: path.parent().unwrap_or(Path::new("")).to_owned(),
            cases: toml.case,
        };
        let mut names = BTreeSet::new();
        for case in &file.cases {
            let invalid = |reason: String| Error::Invalid {
                path: path.to_owned(),
                case: case.name.clone(),
                reason,
            };
            case.check().map_err(invalid)?;
            if !names.insert(&case.name) {
                return Err(invalid("the name is used twice".into()));
            }
            for wav in [Some(&case.prompt_wav), case.source_wav.as_ref()]
                .into_iter()
                .flatten()
            {
                let wav = file.resolve(wav);
                if !wav.is_file() {
                    return Err(invalid(format!("{} is not there", wav.display())));
                }
            }
        }
        Ok(file)
    }

    /// Where a recording named in a case lies.
    pub fn resolve(&self, wav: &Path) -> PathBuf {
        self.dir.join(wav)
    }

    /// Keeps only the cases named, in the file's order; all of them if none is named.
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
    use super::super::{Keep, LmSet, Mode};
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
    fn a_case_has_the_reference_s_defaults() {
        let file = load(GOOD).unwrap();
        let case = &file.cases[0];
        assert_eq!(
            (case.mode, case.seed, case.stream, case.speed),
            (Mode::ZeroShot, 3, false, 1.0)
        );
        assert_eq!(case.keep, Keep::Everything);
    }

    #[test]
    fn text_may_come_in_pieces_and_the_voice_from_a_saved_speaker() {
        let toml = GOOD
            .replace("text = \"Hello.\"", "pieces = [\"Hel\", \"lo.\"]")
            .replace("seed = 3", "speaker = \"anna\"\nlm_weights = \"rl\"");
        let case = &load(&toml).unwrap().cases[0];
        assert_eq!(case.pieces, ["Hel", "lo."]);
        assert_eq!(case.speaker.as_deref(), Some("anna"));
        assert_eq!(case.lm_weights, Some(LmSet::Rl));
        // A saved speaker's words are saved with it, whatever the mode.
        let cross_lingual = GOOD.replace("zero-shot", "cross-lingual");
        load(&format!("{cross_lingual}speaker = \"anna\"\n")).unwrap();
    }

    #[test]
    fn what_cannot_be_run_is_refused_with_the_reason() {
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
            (GOOD.replace("a.wav", "b.wav"), "b.wav is not there"),
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
    fn selecting_an_unknown_case_names_the_known_ones() {
        let message = load(GOOD)
            .unwrap()
            .select(&["b".into()])
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("no case \"b\"") && message.contains("a-1"),
            "{message}"
        );
    }
}
