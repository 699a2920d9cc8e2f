use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::ModelConfig;
use crate::text::{FrontendOptions, TextFrontend};
use crate::{Error, Result};

const YAML: &str = "cosyvoice3.yaml";
const QWEN: &str = "CosyVoice-BlankEN";

/// A CosyVoice 3 model directory in the reference's own layout.
#[derive(Clone, Debug)]
pub struct ModelDir {
    path: PathBuf,
    config: ModelConfig,
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
    const NAMED: [(Self, &str); 4] = [
        (Self::Base, "llm.pt"),
        (Self::Rl, "llm.rl.pt"),
        (Self::BaseSafetensors, "llm.safetensors"),
        (Self::RlSafetensors, "llm.rl.safetensors"),
    ];

    /// Their file; for the reference's own choice, the file that it prefers.
    pub fn file_name(self) -> &'static str {
        self.candidates()[0]
    }

    /// The files to look for, the first one there being taken.
    fn candidates(self) -> &'static [&'static str] {
        match self {
            Self::Reference => &["llm.pt", "llm.safetensors"],
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
                let files = Self::NAMED.map(|(_, file)| file).join(", ");
                Error::input(format!(
                    "`{name}` is no weight file of the language model: choose one of {files}"
                ))
            })
    }
}

impl ModelDir {
    /// Reads the configuration of the model in `path`. The weight files are looked for only when
    /// they are asked for, so that a directory with some of them is of use too.
    pub fn open(path: &Path) -> Result<Self> {
        if !path.is_dir() {
            return Err(Error::format(
                path,
                "no such model directory: download Fun-CosyVoice3-0.5B there, \
                 or write a random-weight one with `parity fixture --out DIR`",
            ));
        }
        let yaml = path.join(YAML);
        if !yaml.is_file() {
            return Err(Error::format(path, missing_yaml(path)));
        }
        let qwen = path.join(QWEN).join("config.json");
        if !qwen.is_file() {
            return Err(incomplete(&qwen, "it describes the language model's body"));
        }
        let config = ModelConfig::read(&yaml, &qwen)?;
        Ok(Self {
            path: path.to_owned(),
            config,
        })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The model's sizes and settings.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// `cosyvoice3.yaml`.
    pub fn yaml(&self) -> PathBuf {
        self.path.join(YAML)
    }

    /// The chosen weights of the language model.
    pub fn lm_weights(&self, choice: LmWeights) -> Result<PathBuf> {
        self.first_of(choice.candidates()).map_err(|error| {
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
                        choice.candidates()[0],
                        there.join(", ")
                    ),
                ),
            }
        })
    }

    /// The flow's weights: `flow.pt`, or `flow.safetensors` where only that is there.
    pub fn flow_weights(&self) -> Result<PathBuf> {
        self.first_of(&["flow.pt", "flow.safetensors"])
    }

    /// The vocoder's weights: `hift.pt`, or `hift.safetensors` where only that is there.
    pub fn vocoder_weights(&self) -> Result<PathBuf> {
        self.first_of(&["hift.pt", "hift.safetensors"])
    }

    /// The network behind the speaker embedding, `campplus.onnx`.
    pub fn speaker_encoder(&self) -> Result<PathBuf> {
        self.first_of(&["campplus.onnx"])
    }

    /// The speech tokenizer, `speech_tokenizer_v3.onnx`.
    pub fn speech_tokenizer(&self) -> Result<PathBuf> {
        self.first_of(&["speech_tokenizer_v3.onnx"])
    }

    /// The folder of the text tokenizer's files, `CosyVoice-BlankEN`.
    pub fn text_tokenizer(&self) -> PathBuf {
        self.path.join(QWEN)
    }

    /// The saved speakers, `spk2info.pt`, which need not exist.
    pub fn saved_speakers(&self) -> PathBuf {
        self.path.join("spk2info.pt")
    }

    /// The folder of the text normaliser's rules, `text_rules`, which need not exist.
    pub fn text_rules(&self) -> PathBuf {
        self.path.join("text_rules")
    }

    /// The model's text frontend, with the rule files of `rules`, or else its own.
    pub fn text_frontend(
        &self,
        rules: Option<&Path>,
        options: FrontendOptions,
    ) -> Result<TextFrontend> {
        let own = self.text_rules();
        TextFrontend::load(&self.text_tokenizer(), Some(rules.unwrap_or(&own)), options)
    }

    fn first_of(&self, names: &[&str]) -> Result<PathBuf> {
        names
            .iter()
            .map(|name| self.path.join(name))
            .find(|file| file.is_file())
            .ok_or_else(|| {
                let alternatives = match &names[1..] {
                    [] => String::new(),
                    others => format!("nor is {}; ", others.join(", ")),
                };
                incomplete(
                    &self.path.join(names[0]),
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
    for (yaml, version) in [("cosyvoice2.yaml", 2), ("cosyvoice.yaml", 1)] {
        if path.join(yaml).is_file() {
            return format!(
                "a CosyVoice {version} model (it has a {yaml}); only CosyVoice 3 is supported, \
                 such as Fun-CosyVoice3-0.5B"
            );
        }
    }
    format!("no {YAML} in it, so this is no CosyVoice 3 model directory")
}
