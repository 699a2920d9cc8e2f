use std::path::Path;

use super::hyper_yaml::HyperYaml;
use crate::flow::FlowConfig;
use crate::llm::{LmConfig, QwenConfig};
use crate::vocoder::VocoderConfig;
use crate::{Error, Result};

/// Section of `cosyvoice3.yaml` → the only class that the engine is a port of.
const CLASSES: [(&str, &str); 8] = [
    ("llm", "CosyVoice3LM"),
    ("llm.llm", "Qwen2Encoder"),
    ("llm.sampling", "ras_sampling"),
    ("flow", "CausalMaskedDiffWithDiT"),
    ("flow.decoder", "CausalConditionalCFM"),
    ("flow.decoder.estimator", "DiT"),
    ("hift", "CausalHiFTGenerator"),
    ("hift.f0_predictor", "CausalConvRNNF0Predictor"),
];

/// The sizes and settings of a model: `cosyvoice3.yaml` and `CosyVoice-BlankEN/config.json`.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
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
    pub(super) fn read(yaml_path: &Path, qwen_path: &Path) -> Result<Self> {
        let wrong = |reason: String| Error::format(yaml_path, reason);
        let yaml = HyperYaml::parse(&read(yaml_path)?).map_err(wrong)?;
        for (section, class) in CLASSES {
            require_class(&yaml, section, class).map_err(wrong)?;
        }
        let qwen = serde_json::from_str(&read(qwen_path)?)
            .map_err(|e| Error::format(qwen_path, format!("not a Qwen2 configuration: {e}")))?;
        let config = Self {
            sample_rate: yaml.section("sample_rate").map_err(wrong)?,
            llm: yaml.section("llm").map_err(wrong)?,
            flow: yaml.section("flow").map_err(wrong)?,
            vocoder: yaml.section("hift").map_err(wrong)?,
            qwen,
        };
        config.check().map_err(wrong)?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        let hidden = self.qwen.hidden_size;
        for (key, size) in [
            ("llm_input_size", self.llm.llm_input_size),
            ("llm_output_size", self.llm.llm_output_size),
        ] {
            if size != hidden {
                return Err(format!(
                    "`llm.{key}` is {size}, but CosyVoice-BlankEN/config.json has a hidden size of {hidden}"
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

fn require_class(yaml: &HyperYaml, section: &str, class: &str) -> Result<(), String> {
    let found = yaml.class(section);
    if found.is_some_and(|found| found.rsplit('.').next() == Some(class)) {
        return Ok(());
    }
    let found = found.unwrap_or("nothing");
    Err(format!(
        "`{section}` is made of {found}, and only {class} (CosyVoice 3) is supported"
    ))
}
