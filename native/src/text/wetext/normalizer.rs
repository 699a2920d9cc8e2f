//! The two rules of a language, and when which language is meant.

use std::fmt;
use std::path::Path;

use super::compose::TooLarge;
use super::fst::Rule;
use super::reorder::reorder;
use super::shortest_path;
use crate::Result;
use crate::text::unicode::{is_chinese, is_decimal, is_digit, strip};

/// Whose behaviour around the rules is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::text) enum Version {
    /// wetext 0.1.8: English always runs through the rules, Chinese where it has digits.
    V018,
    /// wetext 0.0.4: only texts with digits run through the rules, and blanks stay.
    V004,
}

/// Why wetext has no answer for a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::text) enum Failure {
    /// The rules tag nothing; wetext raises AssertionError.
    NoTags,
    /// The tags cannot be read; wetext raises AssertionError or never returns.
    MalformedTags,
    /// A rule wrote bytes that are no UTF-8; wetext raises UnicodeDecodeError.
    NotUtf8,
    /// Our own limit on memory.
    TooLarge,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoTags => "wetext finds no way to tag it (AssertionError in Python)",
            Self::MalformedTags => {
                "wetext cannot read its own tags (AssertionError or no end in Python)"
            }
            Self::NotUtf8 => "wetext's rules write broken UTF-8 (UnicodeDecodeError in Python)",
            Self::TooLarge => "it is too long for the rules",
        })
    }
}

impl From<TooLarge> for Failure {
    fn from(_: TooLarge) -> Self {
        Self::TooLarge
    }
}

/// The language whose rules are applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    /// Chinese, and for [`Version::V018`] also text of digits only.
    Chinese,
    /// Everything else.
    English,
}

/// wetext's `Normalizer()`, and `Normalizer(remove_erhua=False)`, which behaves alike.
pub(in crate::text) struct Wetext {
    version: Version,
    english: Rules,
    chinese: Rules,
}

struct Rules {
    tagger: Rule,
    verbalizer: Rule,
}

impl Rules {
    fn open(dir: &Path) -> Result<Self> {
        Ok(Self {
            tagger: Rule::open(&dir.join("tagger.fst"))?,
            verbalizer: Rule::open(&dir.join("verbalizer.fst"))?,
        })
    }
}

impl Wetext {
    /// Reads `{en,zh}/tn/{tagger,verbalizer}.fst` in `dir`.
    pub(in crate::text) fn open(dir: &Path, version: Version) -> Result<Self> {
        let open = |language: &str| Rules::open(&dir.join(language).join("tn"));
        Ok(Self {
            version,
            english: open("en")?,
            chinese: open("zh")?,
        })
    }

    /// Normalises a text.
    pub(in crate::text) fn normalize(&self, text: &str) -> Result<String, Failure> {
        match self.version {
            Version::V018 => self.normalize_018(strip(text)),
            Version::V004 => self.normalize_004(text),
        }
    }

    fn normalize_018(&self, text: &str) -> Result<String, Failure> {
        let only_digits = !text.is_empty() && text.chars().all(is_digit);
        let (language, applies) = if text.contains(is_chinese) || only_digits {
            (Language::Chinese, text.contains(is_decimal))
        } else {
            (Language::English, !text.is_empty())
        };
        if !applies {
            return Ok(text.to_owned());
        }
        let rules = self.rules(language);
        let tagged = rewrite(&rules.tagger, text)?;
        let reordered = reorder(strip(&tagged), language, self.version)?;
        Ok(strip(&rewrite(&rules.verbalizer, &reordered)?).to_owned())
    }

    fn normalize_004(&self, text: &str) -> Result<String, Failure> {
        if !text.contains(is_decimal) {
            return Ok(text.to_owned());
        }
        let language = if text.contains(is_chinese) {
            Language::Chinese
        } else {
            Language::English
        };
        let rules = self.rules(language);
        let tagged = rewrite(&rules.tagger, text)?;
        let reordered = reorder(&tagged, language, self.version)?;
        rewrite(&rules.verbalizer, strip(&reordered))
    }

    fn rules(&self, language: Language) -> &Rules {
        match language {
            Language::Chinese => &self.chinese,
            Language::English => &self.english,
        }
    }
}

fn rewrite(rule: &Rule, text: &str) -> Result<String, Failure> {
    let bytes = shortest_path::rewrite(rule, text.as_bytes())?;
    String::from_utf8(bytes).map_err(|_| Failure::NotUtf8)
}
