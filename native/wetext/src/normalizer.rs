//! The normaliser: tag a text, reorder the tags, and put them into words.

use std::path::Path;

use crate::fst::Rule;
use crate::reorder::reorder;
use crate::unicode::{is_decimal, strip};
use crate::version::{Language, Version};
use crate::{Error, Failure, reach, shortest_path};

/// A text normaliser for English and Chinese.
///
/// It behaves like `Normalizer()` of the Python package, and like
/// `Normalizer(remove_erhua=False)`, which gives the same results.
pub struct Normalizer {
    version: Version,
    english: Rules,
    chinese: Rules,
}

struct Rules {
    tagger: Rule,
    verbalizer: Rule,
}

impl Rules {
    fn open(dir: &Path) -> Result<Self, Error> {
        Ok(Self {
            tagger: Rule::open(&dir.join("tagger.fst"))?,
            verbalizer: Rule::open(&dir.join("verbalizer.fst"))?,
        })
    }
}

impl Normalizer {
    /// Reads the rule files `{en,zh}/tn/{tagger,verbalizer}.fst` below `dir`, which is the folder
    /// `fsts` of the Python package.
    ///
    /// # Errors
    ///
    /// If a rule file is missing, unreadable or damaged; the error names it.
    pub fn open(dir: impl AsRef<Path>, version: Version) -> Result<Self, Error> {
        let open = |language: &str| Rules::open(&dir.as_ref().join(language).join("tn"));
        Ok(Self {
            version,
            english: open("en")?,
            chinese: open("zh")?,
        })
    }

    /// Puts the numbers, dates, units and the like in `text` into words.
    ///
    /// # Errors
    ///
    /// If the Python package raises an exception for `text` or never returns, or if `text` exceeds
    /// the memory limit.
    pub fn normalize(&self, text: &str) -> Result<String, Failure> {
        let text = match self.version {
            Version::V018 => strip(text),
            Version::V004 => text,
        };
        match self.version.language(text) {
            Some(language) => self.apply(text, language),
            None => Ok(text.to_owned()),
        }
    }

    /// The language whose rules [`Normalizer::normalize`] applies to `text`; `None` if it returns
    /// the text unchanged.
    pub fn language(&self, text: &str) -> Option<Language> {
        match self.version {
            Version::V018 => self.version.language(strip(text)),
            Version::V004 => self.version.language(text),
        }
    }

    /// Like [`Normalizer::normalize`], for a part of a text to which the rules of `language` apply.
    ///
    /// # Errors
    ///
    /// As for [`Normalizer::normalize`].
    pub fn normalize_part(&self, part: &str, language: Language) -> Result<String, Failure> {
        let always = self.version == Version::V018 && language == Language::English;
        if always || part.contains(is_decimal) {
            self.apply(part, language)
        } else {
            Ok(part.to_owned())
        }
    }

    /// The byte of a text at which no reading by the rules of `language` goes on, or its length if
    /// it ends too early for them; `None` if they accept it.
    pub fn stuck_at(&self, text: &str, language: Language) -> Option<usize> {
        reach::stuck_at(&self.rules(language).tagger, text.as_bytes())
    }

    fn rules(&self, language: Language) -> &Rules {
        match language {
            Language::Chinese => &self.chinese,
            Language::English => &self.english,
        }
    }

    fn apply(&self, text: &str, language: Language) -> Result<String, Failure> {
        let rules = self.rules(language);
        let tagged = rewrite(&rules.tagger, text)?;
        // The versions strip blanks at different steps.
        match self.version {
            Version::V018 => {
                let reordered = reorder(strip(&tagged), language, self.version)?;
                Ok(strip(&rewrite(&rules.verbalizer, &reordered)?).to_owned())
            }
            Version::V004 => {
                let reordered = reorder(&tagged, language, self.version)?;
                rewrite(&rules.verbalizer, strip(&reordered))
            }
        }
    }
}

fn rewrite(rule: &Rule, text: &str) -> Result<String, Failure> {
    let bytes = shortest_path::rewrite(rule, text.as_bytes())?;
    String::from_utf8(bytes).map_err(|_| Failure::NotUtf8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fst::testing::{TestArc, file};

    const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/rules");

    /// A rule that reads and writes `begin`, then any number of characters and `words`, then `end`.
    fn rule(begin: (&str, &str), words: &[(String, &str)], end: (&str, &str)) -> Vec<u8> {
        let mut states = vec![Vec::new()];
        let middle = chain(&mut states, 0, begin, None);
        for (digit, word) in words {
            chain(&mut states, middle, (digit, word), Some(middle));
        }
        for byte in (b' '..=b'~').chain(0x80..=0xff) {
            let is_word = words.iter().any(|(digit, _)| digit.as_bytes() == [byte]);
            if !is_word && !matches!(byte, b'"' | b'\\') {
                states[middle].push((byte.into(), byte.into(), 0.0, middle as i32));
            }
        }
        let last = chain(&mut states, middle, end, None);
        states[middle].sort_by_key(|arc| arc.0);
        let weight = |state| if state == last { 0.0 } else { f32::INFINITY };
        let states = states.iter().enumerate();
        let states: Vec<_> = states.map(|(at, arcs)| (weight(at), &arcs[..])).collect();
        file(0, &states)
    }

    /// Adds arcs from the state `from` that read and write `text`, and returns the state after them:
    /// `to`, or a new one.
    fn chain(
        states: &mut Vec<Vec<TestArc>>,
        mut from: usize,
        text: (&str, &str),
        to: Option<usize>,
    ) -> usize {
        let (read, written) = (text.0.as_bytes(), text.1.as_bytes());
        let length = read.len().max(written.len());
        let byte = |bytes: &[u8], at| bytes.get(at).copied().map_or(0, i32::from);
        for at in 0..length {
            let next = to.filter(|_| at + 1 == length).unwrap_or(states.len());
            if next == states.len() {
                states.push(Vec::new());
            }
            states[from].push((byte(read, at), byte(written, at), 0.0, next as i32));
            from = next;
        }
        from
    }

    const ENGLISH: [&str; 10] = [
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
    ];
    const CHINESE: [&str; 10] = ["零", "一", "二", "三", "四", "五", "六", "七", "八", "九"];

    #[test]
    fn the_rules_of_the_example_spell_digits() {
        let (begin, end) = (r#"tokens { name: ""#, r#"" }"#);
        for (language, words) in [("en", ENGLISH), ("zh", CHINESE)] {
            let digits = ('0'..='9').map(String::from);
            let words: Vec<_> = digits.zip(words).collect();
            for (name, rule) in [
                ("tagger", rule(("", begin), &words, ("", end))),
                ("verbalizer", rule((begin, ""), &[], (end, ""))),
            ] {
                let path = format!("{RULES}/{language}/tn/{name}.fst");
                assert!(std::fs::read(&path).unwrap() == rule, "{path}");
            }
        }
    }

    #[test]
    fn each_version_strips_blanks_as_its_python_package_does() {
        let normalize = |version, text| {
            let normalizer = Normalizer::open(RULES, version).unwrap();
            normalizer.normalize(text).unwrap()
        };
        for (text, v018, v004) in [
            ("", "", ""),
            (" a 1 ", "a one", " a one "),
            (" no digits ", "no digits", " no digits "),
            (" 好1 ", "好一", " 好一 "),
            (" 12 ", "一二", " onetwo "),
        ] {
            assert_eq!(normalize(Version::V018, text), v018, "{text}");
            assert_eq!(normalize(Version::V004, text), v004, "{text}");
        }
    }

    #[test]
    fn a_text_that_the_rules_do_not_accept_is_a_failure() {
        let normalizer = Normalizer::open(RULES, Version::V018).unwrap();
        assert_eq!(normalizer.normalize("a \"quote\""), Err(Failure::NoTags));
    }

    #[test]
    fn a_missing_rule_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = Normalizer::open(dir.path(), Version::V018).err().unwrap();
        assert!(matches!(error, Error::Io { .. }));
        assert!(error.to_string().contains("tagger.fst"), "{error}");
    }
}
