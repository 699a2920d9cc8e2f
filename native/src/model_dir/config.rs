use std::path::Path;

use super::hyper_yaml::HyperYaml;
use crate::family::Family;
use crate::flow::FlowConfig;
use crate::llm::{LmConfig, QwenConfig};
use crate::noise::VocoderNoise;
use crate::vocoder::VocoderConfig;
use crate::{Error, Result};

/// The sizes and settings of a model: its yaml and the language model body's `config.json`.
#[derive(Clone, Debug)]
pub struct ModelConfig {
    /// The family whose conventions it follows.
    pub family: &'static Family,
    /// Sampling rate of the speech, Hz.
    pub sample_rate: usize,
    /// The speech language model.
    pub llm: LmConfig,
    /// The flow.
    pub flow: FlowConfig,
    /// The vocoder.
    pub vocoder: VocoderConfig,
    /// The body of the speech language model.
    pub qwen: QwenConfig,
}

impl ModelConfig {
    /// Reads both files and checks that they fit each other.
    pub(super) fn read(
        family: &'static Family,
        yaml_path: &Path,
        qwen_path: &Path,
    ) -> Result<Self> {
        let wrong = |reason: String| Error::format(yaml_path, reason);
        let yaml = HyperYaml::parse(&read(yaml_path)?).map_err(wrong)?;
        for (section, class) in family.classes {
            require_class(&yaml, section, class, family.name).map_err(wrong)?;
        }
        let qwen = serde_json::from_str(&read(qwen_path)?)
            .map_err(|e| Error::format(qwen_path, format!("not a Qwen2 configuration: {e}")))?;
        let mut config = Self {
            family,
            sample_rate: yaml.section("sample_rate").map_err(wrong)?,
            llm: yaml.section("llm").map_err(wrong)?,
            flow: yaml.section("flow").map_err(wrong)?,
            vocoder: yaml.section("hift").map_err(wrong)?,
            qwen,
        };
        config.llm.marks = family.marks;
        config.llm.end_of_prompt = family.end_of_prompt;
        config.llm.silent_tokens = family.silent_tokens;
        config.flow.steps = family.flow_steps;
        config.check(qwen_path).map_err(wrong)?;
        Ok(config)
    }

    /// Where the vocoder's noise begins.
    pub fn vocoder_noise(&self) -> VocoderNoise {
        VocoderNoise {
            skipped_draws: (self.family.draws_before_vocoder_noise)(self),
            sines: self.vocoder.nb_harmonics + 1,
        }
    }

    fn check(&self, qwen_path: &Path) -> Result<(), String> {
        let hidden = self.qwen.hidden_size;
        for (key, size) in [
            ("llm_input_size", self.llm.llm_input_size),
            ("llm_output_size", self.llm.llm_output_size),
        ] {
            if size != hidden {
                return Err(format!(
                    "`llm.{key}` is {size}, but {} has a hidden size of {hidden}",
                    qwen_path.display()
                ));
            }
        }
        if self.flow.vocab_size < self.llm.speech_token_size {
            return Err(format!(
                "the language model speaks {} tokens, the flow understands only {}",
                self.llm.speech_token_size, self.flow.vocab_size
            ));
        }
        if self.vocoder.sampling_rate != self.sample_rate {
            return Err(format!(
                "`sample_rate` is {}, but `hift.sampling_rate` is {}",
                self.sample_rate, self.vocoder.sampling_rate
            ));
        }
        Ok(())
    }
}

fn read(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).map_err(Error::io(path))?;
    String::from_utf8(bytes).map_err(|_| Error::format(path, "not UTF-8 text"))
}

fn require_class(yaml: &HyperYaml, section: &str, class: &str, family: &str) -> Result<(), String> {
    let found = yaml.class(section);
    if found.is_some_and(|found| found.rsplit('.').next() == Some(class)) {
        return Ok(());
    }
    let found = found.unwrap_or("nothing");
    Err(format!(
        "`{section}` is made of {found}, and only {class} ({family}) is supported"
    ))
}
