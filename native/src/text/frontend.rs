//! From a text to the segments that are synthesised one by one, and their token ids.

use std::path::Path;
use std::sync::Arc;

use wetext::unicode::{is_chinese, strip};
use wetext::{Normalizer, Version};

use super::paragraph::{self, Marks};
use super::recovery::{self, Recovered};
use super::tokenizer::Tokenizer;
use super::{chinese, number_words};
use crate::{Error, Result};

/// The text normaliser, which puts numbers, dates, units and the like into words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum NormalizerKind {
    /// wetext 0.1.8: runs on every English text, and on Chinese texts with digits.
    #[default]
    #[serde(rename = "wetext-0.1.8")]
    Wetext018,
    /// wetext 0.0.4: runs only on texts with digits.
    #[serde(rename = "wetext-0.0.4")]
    Wetext004,
    /// No normaliser, as in the reference without wetext installed.
    #[serde(rename = "none")]
    None,
}

impl NormalizerKind {
    /// All names, as in files and on command lines.
    pub const NAMES: [&'static str; 3] = ["wetext-0.1.8", "wetext-0.0.4", "none"];

    /// The name, as in files and on command lines.
    pub const fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

impl std::str::FromStr for NormalizerKind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        [Self::Wetext018, Self::Wetext004, Self::None]
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| {
                let names = Self::NAMES.join(", ");
                format!("unknown normaliser `{name}` (expected one of {names})")
            })
    }
}

/// Options of a [`TextFrontend`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FrontendOptions {
    /// The text normaliser.
    pub normalizer: NormalizerKind,
    /// Put `<|en|>` before every English segment; the reference does not.
    pub english_prefix: bool,
    /// Return every text unchanged in one segment, as the reference with `text_frontend=False`.
    pub verbatim: bool,
    /// If the reference raises an exception on a text, return an error instead of a warning.
    pub strict: bool,
}

impl FrontendOptions {
    /// The normaliser that runs; `None` if texts are left alone, which needs no rules.
    fn version(&self) -> Option<Version> {
        match self.normalizer {
            _ if self.verbatim => None,
            NormalizerKind::Wetext018 => Some(Version::V018),
            NormalizerKind::Wetext004 => Some(Version::V004),
            NormalizerKind::None => None,
        }
    }

    /// Whether the normaliser's rules are needed.
    pub(crate) fn needs_rules(&self) -> bool {
        self.version().is_some()
    }
}

/// A normalised text, as it is tokenised.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct Normalized {
    /// The whole text after normalisation (`text_normalize(split=False)`).
    pub text: String,
    /// The segments to be synthesised one by one (`text_normalize(split=True)`); without
    /// splitting, the whole text.
    pub segments: Vec<String>,
    /// The steps that were skipped because the reference raises an exception in them.
    pub warnings: Vec<String>,
}

impl Normalized {
    /// The unchanged text in one segment.
    pub fn verbatim(text: &str) -> Self {
        Self {
            text: text.into(),
            segments: vec![text.into()],
            warnings: vec![],
        }
    }
}

/// `CosyVoiceFrontEnd.text_normalize` and the tokenizer of CosyVoice3.
pub struct TextFrontend {
    tokenizer: Arc<Tokenizer>,
    wetext: Option<Arc<Normalizer>>,
    options: FrontendOptions,
}

impl std::fmt::Debug for TextFrontend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TextFrontend")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl TextFrontend {
    /// Reads the tokenizer from `blank_en_dir` (`CosyVoice-BlankEN` of a model directory:
    /// `tokenizer.json`, or `vocab.json` and `merges.txt`), and the normaliser's rule files
    /// `{en,zh}/tn/{tagger,verbalizer}.fst` from `rules_dir`.
    ///
    /// # Errors
    ///
    /// If a file is missing or unusable, or if the normaliser needs `rules_dir` and it is `None`.
    pub fn load(
        blank_en_dir: &Path,
        rules_dir: Option<&Path>,
        options: FrontendOptions,
    ) -> Result<Self> {
        let wetext = match (options.version(), rules_dir) {
            (None, _) => None,
            (Some(version), Some(dir)) => Some(Arc::new(Normalizer::open(dir, version)?)),
            (Some(_), None) => {
                return Err(Error::input(
                    "the text normaliser needs the directory of its rule files (the folder `fsts` \
                     of the Python package wetext); pass it, or select the normaliser `none`",
                ));
            }
        };
        Ok(Self {
            tokenizer: Arc::new(Tokenizer::open(blank_en_dir)?),
            wetext,
            options,
        })
    }

    /// The same frontend with texts left [as they are](FrontendOptions::verbatim); the tokenizer is
    /// shared.
    #[must_use]
    pub fn verbatim(&self) -> Self {
        Self {
            tokenizer: self.tokenizer.clone(),
            wetext: None,
            options: FrontendOptions {
                verbatim: true,
                ..self.options.clone()
            },
        }
    }

    /// Normalises `text` and, with `split`, splits it into segments.
    ///
    /// An empty text and a text that contains both `<|` and `|>` are returned unchanged, and so is
    /// every text with [`FrontendOptions::verbatim`]. If the reference raises an exception on a
    /// text, a warning names it, and the text is said as well as it can be: without what is not
    /// seen, and sentence by sentence, so that only those with a character that the normaliser does
    /// not accept are left alone.
    ///
    /// # Errors
    ///
    /// With [`FrontendOptions::strict`], an [`Error::Input`] instead of a warning; also if the text
    /// is too long to be tokenised.
    pub fn normalize(&self, text: &str, split: bool) -> Result<Normalized> {
        let marked = text.contains("<|") && text.contains("|>");
        if text.is_empty() || marked || self.options.verbatim {
            return Ok(Normalized::verbatim(text));
        }
        let mut warnings = Warnings {
            strict: self.options.strict,
            found: vec![],
        };
        let stripped = strip(text);
        if stripped.is_empty() {
            warnings.push("the text is blank (IndexError in Python); it was left unchanged")?;
            return Ok(Normalized {
                warnings: warnings.found,
                ..Normalized::verbatim(text)
            });
        }
        let marks = if stripped.contains(is_chinese) {
            Marks::Chinese
        } else {
            Marks::English
        };
        let before = text
            .find(stripped)
            .map_or(0, |at| text[..at].chars().count());
        let spoken = self.run_wetext(stripped, before, &mut warnings)?;
        let normalized = match marks {
            Marks::Chinese => {
                let (cleaned, ends_in_blank) = chinese::clean(&spoken);
                if ends_in_blank {
                    warnings.push(
                        "the normalised text ends in a blank (IndexError in Python); \
                         the blank was dropped",
                    )?;
                }
                cleaned
            }
            Marks::English => {
                let (spelled, unspelled) = number_words::spell_out_numbers(&spoken);
                for number in unspelled {
                    warnings.push(&format!(
                        "a number of {} digits is too long to be spelled out ({} in Python); it was \
                         left unchanged",
                        number.digits,
                        number.reason.exception()
                    ))?;
                }
                spelled
            }
        };
        let segments = self.segments(&normalized, marks, &mut warnings)?;
        let segments = if split {
            segments
        } else {
            vec![normalized.clone()]
        };
        Ok(Normalized {
            text: normalized,
            segments,
            warnings: warnings.found,
        })
    }

    /// The token ids of a text, in which special tokens are recognised.
    ///
    /// # Errors
    ///
    /// If the text is too long to be tokenised (4 MiB).
    pub fn ids(&self, text: &str) -> Result<Vec<u32>> {
        self.tokenizer.ids(text)
    }

    /// The token with an id, in the tokenizer's byte-level alphabet; `None` for an unknown id.
    pub fn token(&self, id: u32) -> Option<String> {
        self.tokenizer.token(id)
    }

    /// Normalises `text`, before which there were `before` characters.
    fn run_wetext(&self, text: &str, before: usize, warnings: &mut Warnings) -> Result<String> {
        let Some(wetext) = &self.wetext else {
            return Ok(text.to_owned());
        };
        let reason = match wetext.normalize(text) {
            Ok(spoken) if !spoken.is_empty() => return Ok(spoken),
            Ok(_) => "wetext's output is empty (IndexError in Python)".to_owned(),
            Err(failure) => failure.to_string(),
        };
        let Some(language) = wetext.language(text) else {
            warnings.push(&format!("the text was not normalised: {reason}"))?;
            return Ok(text.to_owned());
        };
        let Recovered { text, note } = recovery::normalize(wetext, text, before, language);
        warnings.push(&format!(
            "the text was not normalised as it stands: {reason}; {note}"
        ))?;
        Ok(text)
    }

    fn segments(&self, text: &str, marks: Marks, warnings: &mut Warnings) -> Result<Vec<String>> {
        let paragraph = paragraph::sentences(text, marks);
        if paragraph.orphan_quote {
            warnings.push(
                "a closing quote follows a mark without a sentence before it (IndexError in \
                 Python); it was kept with the next sentence",
            )?;
        }
        let mut segments = match marks {
            Marks::Chinese => {
                let characters = |text: &str| Ok::<_, Error>(text.chars().count());
                paragraph::join(&paragraph.sentences, str::len, characters)
            }
            Marks::English => {
                let tokens = |text: &str| Ok(self.tokenizer.ids(text)?.len());
                paragraph::join(&paragraph.sentences, max_tokens, tokens)
            }
        }?;
        if self.options.english_prefix && marks == Marks::English {
            segments
                .iter_mut()
                .for_each(|segment| segment.insert_str(0, "<|en|>"));
        }
        segments.retain(|segment| !paragraph::is_only_punctuation(segment));
        Ok(segments)
    }
}

/// Upper bound of the number of tokens: a token has at least one byte. The tokenizer's Unicode
/// normalisation may lengthen a text, but not an ASCII text.
fn max_tokens(text: &str) -> usize {
    if text.is_ascii() {
        text.len()
    } else {
        usize::MAX
    }
}

struct Warnings {
    strict: bool,
    found: Vec<String>,
}

impl Warnings {
    fn push(&mut self, warning: &str) -> Result<()> {
        if self.strict {
            return Err(Error::input(warning));
        }
        self.found.push(warning.to_owned());
        Ok(())
    }
}
