//! What is synthesised: the cases of `cases.toml`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// How the voice is given to the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// A prompt recording and its transcript.
    ZeroShot,
    /// A prompt recording alone, possibly of another language.
    CrossLingual,
    /// A prompt recording and an instruction in words.
    Instruct,
    /// Voice conversion: another recording is said again in the prompt's voice.
    Vc,
}

impl Mode {
    /// The name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::ZeroShot => "zero-shot",
            Self::CrossLingual => "cross-lingual",
            Self::Instruct => "instruct",
            Self::Vc => "vc",
        }
    }
}

/// Which stages of a case a golden keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// Every stage.
    #[default]
    Everything,
    /// Texts, tokens and the sound, with what the prompt, the flow and the pitch predictor made
    /// of them, but not the steps between.
    Sound,
    /// Texts, ids and token lists: small enough to keep many cases of them.
    Tokens,
}

/// One synthesis: everything that decides its result but the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Unique; of a–z, 0–9 and hyphens, for it names a folder.
    pub name: String,
    /// How the voice is given.
    pub mode: Mode,
    /// What to say; empty for voice conversion.
    #[serde(default)]
    pub text: String,
    /// The prompt's transcript, for zero-shot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_text: Option<String>,
    /// The recording of the voice; relative to the cases file.
    pub prompt_wav: PathBuf,
    /// The instruction, for instruct.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instruct: Option<String>,
    /// The recording to convert, for voice conversion; relative to the cases file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_wav: Option<PathBuf>,
    /// The seed of torch's generator, set before the synthesis.
    #[serde(default)]
    pub seed: u64,
    /// Whether the sound is delivered in chunks while the language model still samples.
    #[serde(default)]
    pub stream: bool,
    /// Speed of speech, 1 being the model's own.
    #[serde(default = "one")]
    pub speed: f64,
    /// Which stages a golden keeps of it.
    #[serde(default)]
    pub keep: Keep,
}

fn one() -> f64 {
    1.0
}

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

impl Case {
    /// Whether a case or recording may bear this name: a–z, 0–9 and hyphens, not empty.
    pub fn is_name(name: &str) -> bool {
        !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    }

    /// Checks the name and the fields that the mode needs; says what is wrong.
    pub fn check(&self) -> Result<(), String> {
        if !Self::is_name(&self.name) {
            return Err("a name is made of a-z, 0-9 and hyphens".into());
        }
        if !(self.speed.is_finite() && self.speed > 0.0) {
            return Err(format!(
                "speed is {}, but must be a positive number",
                self.speed
            ));
        }
        if self.stream && self.speed != 1.0 {
            return Err(format!(
                "speed is {}, but the reference does not change the speed of a stream",
                self.speed
            ));
        }
        let fields = [
            ("text", !self.text.is_empty(), self.mode != Mode::Vc),
            (
                "prompt_text",
                self.prompt_text.is_some(),
                self.mode == Mode::ZeroShot,
            ),
            (
                "instruct",
                self.instruct.is_some(),
                self.mode == Mode::Instruct,
            ),
            (
                "source_wav",
                self.source_wav.is_some(),
                self.mode == Mode::Vc,
            ),
        ];
        let mode = self.mode.name();
        for (field, given, wanted) in fields {
            match (given, wanted) {
                (false, true) => return Err(format!("mode {mode} needs {field}")),
                (true, false) => return Err(format!("mode {mode} has no use for {field}")),
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
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
