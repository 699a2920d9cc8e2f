//! The tags that the tagger writes, `name { key: "value" … }`, put into spoken order.

use std::collections::HashMap;

use crate::Failure;
use crate::version::{Language, Version};

/// For each tag name, its keys in spoken order.
type Orders = &'static [(&'static str, &'static [&'static str])];

const CHINESE: Orders = &[
    ("date", &["year", "month", "day"]),
    ("fraction", &["denominator", "numerator"]),
    ("measure", &["denominator", "numerator", "value"]),
    ("money", &["value", "currency"]),
    ("time", &["noon", "hour", "minute", "second"]),
];
const ENGLISH: Orders = &[
    ("date", &["preserve_order", "text", "day", "month", "year"]),
    (
        "money",
        &[
            "integer_part",
            "fractional_part",
            "quantity",
            "currency_maj",
        ],
    ),
];

/// Puts the keys of every tag in `tagged` into spoken order.
pub(super) fn reorder(
    tagged: &str,
    language: Language,
    version: Version,
) -> Result<String, Failure> {
    if tagged.is_empty() {
        return Err(Failure::NoTags);
    }
    let orders = match language {
        Language::Chinese => CHINESE,
        Language::English => ENGLISH,
    };
    let mut reader = Reader {
        text: tagged,
        at: 0,
    };
    let mut written = String::with_capacity(tagged.len() + 16);
    while reader.skip_blanks() {
        let tag = reader.tag()?;
        if !written.is_empty() {
            written.push(' ');
        }
        tag.write(orders, version, &mut written);
    }
    Ok(written)
}

struct Tag<'a> {
    name: &'a str,
    /// In text order, with repetitions.
    keys: Vec<&'a str>,
    /// The last value of each key, with its escapes.
    values: HashMap<&'a str, &'a str>,
}

impl Tag<'_> {
    fn write(&self, orders: Orders, version: Version, out: &mut String) {
        out.push_str(self.name);
        out.push_str(" {");
        let spoken = orders
            .iter()
            .find(|(name, _)| *name == self.name)
            .filter(|_| self.values.get("preserve_order") != Some(&"true"))
            .map(|(_, order)| *order);
        match spoken {
            None => self
                .keys
                .iter()
                .for_each(|key| self.write_key(key, version, out)),
            Some(order) => {
                order
                    .iter()
                    .for_each(|key| self.write_key(key, version, out));
                // The older version drops keys that its table does not list.
                if version == Version::V018 {
                    let others = self.keys.iter().filter(|key| !order.contains(key));
                    others.for_each(|key| self.write_key(key, version, out));
                }
            }
        }
        out.push_str(" }");
    }

    fn write_key(&self, key: &str, version: Version, out: &mut String) {
        let Some(value) = self.values.get(key) else {
            return;
        };
        out.push(' ');
        out.push_str(key);
        out.push_str(": \"");
        match version {
            Version::V004 => out.push_str(value),
            // Escapes are escaped again, which is how `"` reaches the model as `\"`.
            Version::V018 => out.extend(value.chars().flat_map(|c| {
                matches!(c, '\\' | '"')
                    .then_some('\\')
                    .into_iter()
                    .chain([c])
            })),
        }
        out.push('"');
    }
}

/// A parser as lenient as the Python package's: expected characters are skipped if present, and
/// missing ones are not an error.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Skips blanks and returns whether any text is left.
    fn skip_blanks(&mut self) -> bool {
        while self.peek() == Some(b' ') {
            self.at += 1;
        }
        self.peek().is_some()
    }

    fn skip(&mut self, expected: &str) {
        for byte in expected.bytes() {
            self.at += usize::from(self.peek() == Some(byte));
        }
    }

    fn tag(&mut self) -> Result<Tag<'a>, Failure> {
        let mut tag = Tag {
            name: self.key()?,
            keys: vec![],
            values: HashMap::new(),
        };
        self.skip(" { ");
        while self.skip_blanks() {
            if self.peek() == Some(b'}') {
                self.at += 1;
                break;
            }
            let key = self.key()?;
            self.skip(": \"");
            let value = self.value()?;
            self.skip("\"");
            tag.keys.push(key);
            tag.values.insert(key, value);
        }
        Ok(tag)
    }

    fn key(&mut self) -> Result<&'a str, Failure> {
        if self
            .peek()
            .is_none_or(|c| matches!(c, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c))
        {
            return Err(Failure::MalformedTags);
        }
        let start = self.at;
        while self
            .peek()
            .is_some_and(|c| c.is_ascii_alphabetic() || c == b'_')
        {
            self.at += 1;
        }
        Ok(&self.text[start..self.at])
    }

    fn value(&mut self) -> Result<&'a str, Failure> {
        let start = self.at;
        loop {
            match self.peek().ok_or(Failure::MalformedTags)? {
                b'"' => return Ok(&self.text[start..self.at]),
                // An escaped character may have several bytes, but its later bytes cannot be
                // mistaken for a quote.
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chinese(tagged: &str) -> Result<String, Failure> {
        reorder(tagged, Language::Chinese, Version::V018)
    }

    fn english(tagged: &str) -> Result<String, Failure> {
        reorder(tagged, Language::English, Version::V018)
    }

    #[test]
    fn chinese_keys_are_put_into_spoken_order() {
        for (tagged, reordered) in [
            (
                r#"date { day: "1" month: "5" year: "2024" }"#,
                r#"date { year: "2024" month: "5" day: "1" }"#,
            ),
            (
                r#"money { currency: "¥" value: "5" }"#,
                r#"money { value: "5" currency: "¥" }"#,
            ),
            (
                r#"time { hour: "3" minute: "5" noon: "下午" }"#,
                r#"time { noon: "下午" hour: "3" minute: "5" }"#,
            ),
            (
                r#"measure { numerator: "n" denominator: "d" value: "v" }"#,
                r#"measure { denominator: "d" numerator: "n" value: "v" }"#,
            ),
        ] {
            assert_eq!(chinese(tagged).unwrap(), reordered);
        }
    }

    #[test]
    fn unlisted_english_keys_follow_and_preserve_order_keeps_every_key_in_place() {
        for (tagged, reordered) in [
            (
                r#"date { month: "may" day: "five" year: "twenty" }"#,
                r#"date { day: "five" month: "may" year: "twenty" }"#,
            ),
            (
                r#"date { month: "may" day: "five" preserve_order: "true" }"#,
                r#"date { month: "may" day: "five" preserve_order: "true" }"#,
            ),
            (
                r#"money { currency_maj: "dollars" integer_part: "five" extra: "x" }"#,
                r#"money { integer_part: "five" currency_maj: "dollars" extra: "x" }"#,
            ),
            (
                r#"date { year: "1" era: "bc" day: "2" era: "ad" }"#,
                r#"date { day: "2" year: "1" era: "ad" era: "ad" }"#,
            ),
        ] {
            assert_eq!(english(tagged).unwrap(), reordered);
        }
    }

    #[test]
    fn the_older_version_drops_unlisted_keys_and_escapes_nothing() {
        let older = |tagged| reorder(tagged, Language::English, Version::V004).unwrap();
        assert_eq!(
            older(r#"money { currency_maj: "dollars" integer_part: "five" extra: "x" }"#),
            r#"money { integer_part: "five" currency_maj: "dollars" }"#
        );
        assert_eq!(
            older(r#"tokens { name: "\"" }"#),
            r#"tokens { name: "\"" }"#
        );
    }

    #[test]
    fn escapes_are_escaped_again() {
        assert_eq!(
            english(r#"tokens { name: "say" } tokens { name: "\"hi\"" }"#).unwrap(),
            r#"tokens { name: "say" } tokens { name: "\\\"hi\\\"" }"#
        );
        assert_eq!(english(r#"a { b: "\\" }"#).unwrap(), r#"a { b: "\\\\" }"#);
    }

    #[test]
    fn malformed_tags_are_parsed_as_leniently_as_in_the_reference() {
        for (tagged, reordered) in [
            ("x", "x { }"),
            (r#"  a{b:"c"d:"e"}  "#, r#"a { b: "c" d: "e" }"#),
            ("}", " { }"),
            ("a { } b { }", "a { } b { }"),
        ] {
            assert_eq!(english(tagged).unwrap(), reordered);
        }
    }

    #[test]
    fn tags_that_make_the_reference_raise_or_hang_are_failures() {
        assert_eq!(english(""), Err(Failure::NoTags));
        for tagged in [
            "x y",
            "a { \tb: \"c\" }",
            "a { b",
            "a { b: \"c",
            "日 { \"x\" }",
            "a { b: \"\\",
        ] {
            assert_eq!(english(tagged), Err(Failure::MalformedTags), "{tagged}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_reordered_or_refused(tagged in "[a-c{}: \"\\\\\t好]{0,40}") {
            let _ = english(&tagged);
            let _ = chinese(&tagged);
        }
    }
}
