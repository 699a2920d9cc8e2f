use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::{ModelConfig, OwnVoice, text_rules};
use crate::family::Family;
use crate::text::{FrontendOptions, TextFrontend};
use crate::{Error, Result};

/// A model directory in the reference's own layout.
#[derive(Clone, Debug)]
pub struct ModelDir {
    path: PathBuf,
    config: ModelConfig,
    text_rules: Option<PathBuf>,
}

/// Which weights of the language model to load.
///
/// A published directory has two sets: the base model's, and those after reinforcement learning.
/// Their tensors have the same names and shapes, and their logits differ by several units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LmWeights {
    /// `llm.pt`, which the reference loads; `llm.safetensors` where only that is there.
    #[default]
    Reference,
    /// `llm.pt`.
    Base,
    /// `llm.rl.pt`.
    Rl,
    /// `llm.safetensors`.
    BaseSafetensors,
    /// `llm.rl.safetensors`.
    RlSafetensors,
}

impl LmWeights {
    /// The names of the files.
    pub const NAMES: [&'static str; 4] = [
        "llm.pt",
        "llm.rl.pt",
        "llm.safetensors",
        "llm.rl.safetensors",
    ];
    const NAMED: [(Self, &str); 4] = [
        (Self::Base, Self::NAMES[0]),
        (Self::Rl, Self::NAMES[1]),
        (Self::BaseSafetensors, Self::NAMES[2]),
        (Self::RlSafetensors, Self::NAMES[3]),
    ];

    /// Their file, such as `llm.rl.pt`; `None` for the reference's choice, which depends on what
    /// the directory has.
    pub fn file_name(self) -> Option<&'static str> {
        let mut named = Self::NAMED.into_iter();
        named.find_map(|(weights, file)| (weights == self).then_some(file))
    }

    /// The files to look for, of which the first one that exists is taken.
    fn candidates(self, family: &Family) -> &'static [&'static str] {
        match self {
            Self::Reference => family.files.llm,
            Self::Base => &["llm.pt"],
            Self::Rl => &["llm.rl.pt"],
            Self::BaseSafetensors => &["llm.safetensors"],
            Self::RlSafetensors => &["llm.rl.safetensors"],
        }
    }
}

impl FromStr for LmWeights {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::NAMED
            .into_iter()
            .find_map(|(weights, file)| (file == name).then_some(weights))
            .ok_or_else(|| {
                let files = Self::NAMES.join(", ");
                Error::input(format!(
                    "unknown weight file `{name}` for the language model (expected one of {files})"
                ))
            })
    }
}

impl ModelDir {
    /// Reads the configuration of the model in `path`. The weight files are looked for only when
    /// they are asked for, so that a directory with some of them is of use too.
    ///
    /// # Errors
    /// If a configuration file is missing, cannot be read, or describes a model of no known family.
    pub fn open(path: &Path) -> Result<Self> {
        if !path.is_dir() {
            return Err(Error::format(
                path,
                "no such model directory: download Fun-CosyVoice3-0.5B there, \
                 or write a small one that speaks with `parity fixture --size voice --out DIR`",
            ));
        }
        let Some(family) = Family::of_directory(path) else {
            return Err(Error::format(path, missing_yaml(path)));
        };
        let yaml = path.join(family.files.yaml);
        let qwen = path.join(family.files.text_tokenizer).join("config.json");
        if !qwen.is_file() {
            return Err(incomplete(&qwen, "it describes the language model's body"));
        }
        let config = ModelConfig::read(family, &yaml, &qwen)?;
        Ok(Self {
            path: path.to_owned(),
            config,
            text_rules: None,
        })
    }

    /// The same directory with a folder of text rules to use, if one is given, instead of those that
    /// are found.
    #[must_use]
    pub fn with_text_rules(self, folder: Option<PathBuf>) -> Self {
        Self {
            text_rules: folder,
            ..self
        }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The model's sizes and settings.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The voice that comes with the model; published ones have none.
    ///
    /// # Errors
    /// If its transcript cannot be read.
    pub fn own_voice(&self) -> Result<Option<OwnVoice>> {
        OwnVoice::of(&self.path)
    }

    /// The family that the model belongs to.
    pub fn family(&self) -> &'static Family {
        self.config.family
    }

    /// The configuration file.
    pub fn yaml(&self) -> PathBuf {
        self.path.join(self.family().files.yaml)
    }

    /// The chosen weights of the language model.
    ///
    /// # Errors
    /// If the directory has no such file; the message names those that it has.
    pub fn lm_weights(&self, choice: LmWeights) -> Result<PathBuf> {
        let candidates = choice.candidates(self.family());
        self.first_of(candidates).map_err(|error| {
            let others: Vec<_> = LmWeights::NAMED
                .into_iter()
                .filter(|(_, file)| self.path.join(file).is_file())
                .map(|(_, file)| file)
                .collect();
            match others.as_slice() {
                [] => error,
                there => Error::format(
                    &self.path,
                    format!(
                        "{} is not there, but {} is: choose it by name",
                        candidates.first().unwrap_or(&"it"),
                        there.join(", ")
                    ),
                ),
            }
        })
    }

    /// The flow's weights.
    ///
    /// # Errors
    /// If there are none; likewise for the other files.
    pub fn flow_weights(&self) -> Result<PathBuf> {
        self.first_of(self.family().files.flow)
    }

    /// The vocoder's weights.
    ///
    /// # Errors
    /// If there are none.
    pub fn vocoder_weights(&self) -> Result<PathBuf> {
        self.first_of(self.family().files.vocoder)
    }

    /// The network behind the speaker embedding.
    ///
    /// # Errors
    /// If there is none.
    pub fn speaker_encoder(&self) -> Result<PathBuf> {
        self.first_of(self.family().files.speaker_encoder)
    }

    /// The speech tokenizer.
    ///
    /// # Errors
    /// If there is none.
    pub fn speech_tokenizer(&self) -> Result<PathBuf> {
        self.first_of(self.family().files.speech_tokenizer)
    }

    /// The folder of the text tokenizer's files.
    pub fn text_tokenizer(&self) -> PathBuf {
        self.path.join(self.family().files.text_tokenizer)
    }

    /// The saved speakers, which need not exist.
    pub fn saved_speakers(&self) -> PathBuf {
        self.path.join(self.family().files.saved_speakers)
    }

    /// The folder of the text normaliser's rules: the one given, or the first that exists of the
    /// directory's own `text_rules`, `.cache/text-rules` where the program runs (`make setup`), and
    /// `cosyvoice-parity/text-rules` in the user's cache (`make install`). A published model has
    /// none of its own.
    ///
    /// # Errors
    /// If there is none.
    pub fn text_rules(&self) -> Result<PathBuf> {
        match &self.text_rules {
            Some(folder) => Ok(folder.clone()),
            None => text_rules::find(&self.path.join(self.family().files.text_rules)),
        }
    }

    /// The model's text frontend.
    ///
    /// # Errors
    /// If a tokenizer or rule file is missing or damaged.
    pub fn text_frontend(&self, options: FrontendOptions) -> Result<TextFrontend> {
        let rules = options
            .needs_rules()
            .then(|| self.text_rules())
            .transpose()?;
        TextFrontend::load(&self.text_tokenizer(), rules.as_deref(), options)
    }

    fn first_of(&self, names: &[&str]) -> Result<PathBuf> {
        let mut files = names.iter().map(|name| self.path.join(name));
        files.find(|file| file.is_file()).ok_or_else(|| {
            let (first, others) = names.split_first().unwrap_or((&"weights", &[]));
            let alternatives = match others {
                [] => String::new(),
                others => format!("nor is {}; ", others.join(", ")),
            };
            incomplete(
                &self.path.join(first),
                &format!("{alternatives}the model cannot be loaded without it"),
            )
        })
    }
}

fn incomplete(file: &Path, why: &str) -> Error {
    Error::format(
        file,
        format!("not there; {why}. The model directory is incomplete: download it again"),
    )
}

fn missing_yaml(path: &Path) -> String {
    let supported: Vec<_> = Family::ALL.iter().map(|family| family.name).collect();
    let supported = supported.join(", ");
    for (yaml, version) in [("cosyvoice2.yaml", 2), ("cosyvoice.yaml", 1)] {
        if path.join(yaml).is_file() {
            return format!(
                "a CosyVoice {version} model (it has a {yaml}); only {supported} is supported"
            );
        }
    }
    let yamls: Vec<_> = Family::ALL.iter().map(|family| family.files.yaml).collect();
    format!(
        "not a model directory of {supported}: it has no {}",
        yamls.join(" or ")
    )
}
