//! The versions of the Python package, and which language's rules each applies to a text.

use crate::unicode::{is_chinese, is_decimal, is_digit};

/// Which version of the Python package decides what surrounds the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// wetext 0.1.8: rules run on every English text, and on Chinese texts with digits.
    V018,
    /// wetext 0.0.4: rules run only on texts with digits, and surrounding blanks are kept.
    V004,
}

/// The language whose rules are applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// For texts with Chinese characters, or of nothing but digits.
    Chinese,
    /// For all others.
    English,
}

impl Version {
    /// The language whose rules apply to `text`; `None` if the text is returned unchanged.
    pub(crate) fn language(self, text: &str) -> Option<Language> {
        let chinese = match self {
            Self::V018 => text.contains(is_chinese) || text.chars().all(is_digit),
            Self::V004 => text.contains(is_chinese),
        };
        let applies = match self {
            Self::V018 if !chinese => true,
            _ => text.contains(is_decimal),
        };
        applies.then_some(if chinese {
            Language::Chinese
        } else {
            Language::English
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_selects_the_rules_as_its_python_package_does() {
        let (chinese, english) = (Some(Language::Chinese), Some(Language::English));
        for (text, v018, v004) in [
            ("", None, None),
            ("hello", english, None),
            ("5 dogs", english, english),
            ("5", chinese, english),
            ("²", None, None),
            ("好", None, None),
            ("好5", chinese, chinese),
        ] {
            assert_eq!(Version::V018.language(text), v018, "{text}");
            assert_eq!(Version::V004.language(text), v004, "{text}");
        }
    }
}
