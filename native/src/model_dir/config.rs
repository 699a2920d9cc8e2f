use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use super::hyper_yaml::HyperYaml;
use super::ranges;
use crate::audio::{MEL_CHANNELS, MEL_HOP, MEL_RATE, MEL_WINDOW};
use crate::family::Family;
use crate::file;
use crate::flow::FlowConfig;
use crate::llm::{LmConfig, QwenConfig};
use crate::noise::{VocoderNoise, generator_after};
use crate::torch_rng::{Multinomial, TorchRng};
use crate::vocoder::VocoderConfig;
use crate::{Error, Result};

/// The published files have 8 kB and 1 kB.
const MAX_BYTES: u64 = 1 << 17;
const SAMPLE_RATE: usize = MEL_RATE as usize;

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
        let yaml = file::read_text(yaml_path, MAX_BYTES)?;
        let yaml = HyperYaml::parse(&yaml).map_err(wrong)?;
        for (section, class) in family.classes {
            require_class(&yaml, section, class, family.name).map_err(wrong)?;
        }
        let qwen: QwenConfig = serde_json::from_str(&file::read_text(qwen_path, MAX_BYTES)?)
            .map_err(|e| Error::format(qwen_path, format!("not a Qwen2 configuration: {e}")))?;
        ranges::check_qwen(&qwen).map_err(|reason| Error::format(qwen_path, reason))?;
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
        if yaml.has(MelConfig::SECTION) {
            let mel: MelConfig = yaml.section(MelConfig::SECTION).map_err(wrong)?;
            mel.check().map_err(wrong)?;
        }
        Ok(config)
    }

    /// Every setting that the engine reads, by a name such as `llm.sampling.top_p`, as it would
    /// stand in JSON.
    pub fn settings(&self) -> BTreeMap<String, String> {
        let all = json!({
            "sample_rate": self.sample_rate,
            "llm": self.llm,
            "flow": self.flow,
            "hift": self.vocoder,
            "qwen": self.qwen,
        });
        let mut settings = BTreeMap::new();
        flatten("", &all, &mut settings);
        settings
    }

    /// Where the vocoder's noise begins.
    pub fn vocoder_noise(&self) -> VocoderNoise {
        VocoderNoise {
            skipped_draws: (self.family.draws_before_vocoder_noise)(self),
            sines: self.vocoder.nb_harmonics + 1,
        }
    }

    /// torch's generator as the reference's constructors leave it: what a program draws from that
    /// loads a model and sets no seed. Skipping to it takes a fraction of a second.
    pub fn generator_after_loading(&self, multinomial: Multinomial) -> TorchRng {
        generator_after((self.family.draws_of_constructors)(self), multinomial)
    }

    fn check(&self, qwen_path: &Path) -> Result<(), String> {
        ranges::check_llm(&self.llm)?;
        ranges::check_flow(&self.flow)?;
        ranges::check_vocoder(&self.vocoder)?;
        if self.sample_rate != SAMPLE_RATE {
            return Err(format!(
                "`sample_rate` is {}; only {SAMPLE_RATE} is supported",
                self.sample_rate
            ));
        }
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

fn flatten(name: &str, value: &Value, into: &mut BTreeMap<String, String>) {
    let Value::Object(members) = value else {
        into.insert(name.to_owned(), value.to_string());
        return;
    };
    for (key, value) in members {
        let name = match name {
            "" => key.clone(),
            name => format!("{name}.{key}"),
        };
        flatten(&name, value, into);
    }
}

/// The `feat_extractor` section: the mel spectrogram that the engine computes, and no other.
#[derive(Deserialize)]
struct MelConfig {
    n_fft: usize,
    num_mels: usize,
    sampling_rate: usize,
    hop_size: usize,
    win_size: usize,
    fmin: f64,
    fmax: Option<f64>,
    center: bool,
}

impl MelConfig {
    const SECTION: &str = "feat_extractor";

    fn check(&self) -> Result<(), String> {
        for (key, found, supported) in [
            ("n_fft", self.n_fft, MEL_WINDOW),
            ("num_mels", self.num_mels, MEL_CHANNELS),
            ("sampling_rate", self.sampling_rate, SAMPLE_RATE),
            ("hop_size", self.hop_size, MEL_HOP),
            ("win_size", self.win_size, MEL_WINDOW),
        ] {
            if found != supported {
                return Err(format!(
                    "`{}.{key}` is {found}; only {supported} is supported",
                    Self::SECTION
                ));
            }
        }
        let whole_band =
            self.fmin == 0.0 && self.fmax.is_none_or(|f| 2.0 * f == SAMPLE_RATE as f64);
        if !whole_band || self.center {
            return Err(format!(
                "`{}` asks for a band or for centred frames; only the whole band, not centred, is \
                 supported",
                Self::SECTION
            ));
        }
        Ok(())
    }
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
