use native::text::{FrontendOptions, NormalizerKind};
use serde::{Deserialize, Serialize};

/// How a text frontend is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrontendSetting {
    /// The text normaliser.
    pub normalizer: NormalizerKind,
    /// Whether every English segment is prefixed with `<|en|>`.
    #[serde(default)]
    pub english_prefix: bool,
    /// Whether texts are normalised and split at all (`text_frontend`).
    #[serde(default = "yes")]
    pub text_frontend: bool,
    /// Whether the text is split (`split`); a prompt's text is not.
    #[serde(default = "yes")]
    pub split: bool,
}

fn yes() -> bool {
    true
}

impl Default for FrontendSetting {
    fn default() -> Self {
        Self {
            normalizer: NormalizerKind::default(),
            english_prefix: false,
            text_frontend: true,
            split: true,
        }
    }
}

impl FrontendSetting {
    /// The normaliser's name, as settings are written.
    pub fn normalizer_name(self) -> &'static str {
        match self.normalizer {
            NormalizerKind::Wetext018 => "wetext-0.1.8",
            NormalizerKind::Wetext004 => "wetext-0.0.4",
            NormalizerKind::None => "none",
        }
    }

    /// The options of the native frontend; `split` is given with each text instead.
    pub fn frontend(self) -> FrontendOptions {
        FrontendOptions {
            normalizer: self.normalizer,
            english_prefix: self.english_prefix,
            verbatim: !self.text_frontend,
            strict: false,
        }
    }
}

impl std::fmt::Display for FrontendSetting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.normalizer {
            NormalizerKind::None => f.write_str("no wetext")?,
            _ => f.write_str(self.normalizer_name())?,
        }
        for (shown, text) in [
            (self.english_prefix, ", <|en|> before English"),
            (!self.text_frontend, ", text_frontend=False"),
            (!self.split, ", split=False"),
        ] {
            f.write_str(if shown { text } else { "" })?;
        }
        Ok(())
    }
}
