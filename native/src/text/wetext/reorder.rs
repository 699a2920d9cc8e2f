//! The tags between the two rules: `name { key: "value" … }`, put into spoken order.

use std::collections::HashMap;

use super::Version;
use super::normalizer::{Failure, Language};

/// Keys in the order in which they are spoken, by the tag's name.
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

/// Puts the keys of every tag in `tagged` into the order in which they are spoken.
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
    /// In the order of the text; a repeated key stands here twice.
    keys: Vec<&'a str>,
    /// The last value of each key, its escapes as they stand.
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
                // The older version loses the keys that its table does not list.
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
            // Escapes are escaped again: this is how `"` reaches the model as `\"`.
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

/// Reads as leniently as the reference: what is expected is skipped where it stands, and
/// nothing is said where it does not.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Skips blanks; false at the end of the text.
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
                // What is escaped may be a character of several bytes; none of the later ones
                // looks like a quote.
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
    }
}
