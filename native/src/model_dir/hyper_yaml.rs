//! HyperPyYAML, as far as CosyVoice's configurations use it.
//!
//! `!new:`, `!name:` and `!apply:` say what Python would construct; here they only become the
//! class of a section. `!ref` is replaced by what it refers to, arithmetic included.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_yaml_ng::{Mapping, Value};

use crate::file::shown;

/// Maximum depth of references to references, beyond which they are taken to form a cycle.
const MAX_REFERENCE_DEPTH: usize = 32;
/// Maximum depth of sections within sections, references followed. The published file has 6.
const MAX_DEPTH: usize = 128;
/// Lists and mappings in brackets; the published file has about thirty. The parser looks at every one
/// that is open for each word that it reads.
const MAX_BRACKETS: usize = 1000;
/// Characters that everything with its path may come to once references are followed. The published
/// file comes to 10,000; ten lists that refer to each other ten times come to 10^10.
const MAX_EXPANSION: usize = 1 << 20;

/// A configuration with its references resolved and its tags dropped.
#[derive(Debug)]
pub(super) struct HyperYaml {
    root: Value,
    /// Dotted path of a section → dotted name of its Python class or function.
    classes: BTreeMap<String, String>,
}

impl HyperYaml {
    /// Reads the text of a configuration. The error says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.matches(['[', '{']).count() > MAX_BRACKETS {
            return Err(format!("has more than {MAX_BRACKETS} lists in brackets"));
        }
        let tagged: Value = serde_yaml_ng::from_str(text).map_err(|e| e.to_string())?;
        let Value::Mapping(top) = &tagged else {
            return Err("not a mapping at the top level".to_owned());
        };
        let mut resolver = Resolver {
            top,
            classes: BTreeMap::new(),
            expansion: MAX_EXPANSION,
        };
        let root = resolver.value(&tagged, "", Depth::default())?;
        Ok(Self {
            root,
            classes: resolver.classes,
        })
    }

    /// The Python class or function of a section, such as `cosyvoice.llm.llm.CosyVoice3LM`.
    pub(super) fn class(&self, section: &str) -> Option<&str> {
        self.classes.get(section).map(String::as_str)
    }

    /// Whether the top level has this key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.root.get(key).is_some()
    }

    /// A section (a key of the top level), as the type that describes it.
    pub(super) fn section<T: DeserializeOwned>(&self, key: &str) -> Result<T, String> {
        let value = self
            .root
            .get(key)
            .ok_or_else(|| format!("`{key}` is missing"))?;
        serde_yaml_ng::from_value(value.clone()).map_err(|e| format!("in `{key}`: {e}"))
    }
}

struct Resolver<'a> {
    top: &'a Mapping,
    classes: BTreeMap<String, String>,
    /// What is left of [`MAX_EXPANSION`].
    expansion: usize,
}

#[derive(Clone, Copy, Default)]
struct Depth {
    sections: usize,
    references: usize,
}

impl Depth {
    fn section(self) -> Self {
        Self {
            sections: self.sections + 1,
            ..self
        }
    }

    fn reference(self) -> Self {
        Self {
            references: self.references + 1,
            ..self.section()
        }
    }
}

impl<'a> Resolver<'a> {
    fn value(&mut self, value: &Value, path: &str, depth: Depth) -> Result<Value, String> {
        if depth.references > MAX_REFERENCE_DEPTH {
            return Err(format!("the references of `{path}` go round in a circle"));
        }
        if depth.sections > MAX_DEPTH {
            return Err(format!("`{path}` is nested too deeply"));
        }
        self.spend(path, 1 + path.len() + value.as_str().map_or(0, str::len))?;
        match value {
            Value::Tagged(tagged) => {
                let tag = tagged.tag.to_string();
                let tag = tag.trim_start_matches('!');
                if matches!(tag, "ref" | "copy") {
                    let Value::String(expression) = &tagged.value else {
                        return Err(format!("the reference of `{path}` is not text"));
                    };
                    return self.reference(expression, path, depth);
                }
                if let Some((_, class)) = tag.split_once(':') {
                    self.classes.insert(path.to_owned(), class.to_owned());
                }
                self.value(&tagged.value, path, depth.section())
            }
            Value::Mapping(mapping) => {
                let mut resolved = Mapping::with_capacity(mapping.len());
                for (key, value) in mapping {
                    let inner = match key.as_str() {
                        Some(key) if path.is_empty() => key.to_owned(),
                        Some(key) => format!("{path}.{key}"),
                        None => path.to_owned(),
                    };
                    resolved.insert(key.clone(), self.value(value, &inner, depth.section())?);
                }
                Ok(Value::Mapping(resolved))
            }
            Value::Sequence(sequence) => sequence
                .iter()
                .map(|value| self.value(value, path, depth.section()))
                .collect::<Result<_, _>>()
                .map(Value::Sequence),
            plain => Ok(plain.clone()),
        }
    }

    /// `<key>` alone becomes that key's value; in an expression it must be a number; elsewhere it is
    /// replaced by its text.
    fn reference(&mut self, expression: &str, path: &str, depth: Depth) -> Result<Value, String> {
        let pieces = Piece::split(expression)
            .ok_or_else(|| format!("`{path}`: unclosed `<` in the reference `{expression}`"))?;
        let mut resolved = Vec::with_capacity(pieces.len());
        for piece in pieces {
            resolved.push(match piece {
                Piece::Text(text) => Value::String(text.to_owned()),
                Piece::Key(key) => {
                    let target = self
                        .lookup(key)
                        .ok_or_else(|| format!("`{path}` refers to `{key}`, which is not there"))?;
                    self.value(target, path, depth.reference())?
                }
            });
        }
        if let [only] = resolved.as_slice() {
            return Ok(only.clone());
        }
        let pieces = resolved.iter().filter_map(Value::as_str);
        self.spend(path, pieces.map(str::len).sum())?;
        let mut text = String::new();
        for piece in &resolved {
            match piece {
                Value::String(s) => text.push_str(s),
                Value::Number(n) => text.push_str(&n.to_string()),
                Value::Bool(b) => text.push_str(if *b { "True" } else { "False" }),
                _ => return Err(format!("`{path}`: `{expression}` mixes text and a section")),
            }
        }
        Ok(match Arithmetic::evaluate(&text) {
            Some(number) => number.into(),
            None => Value::String(text),
        })
    }

    fn spend(&mut self, path: &str, characters: usize) -> Result<(), String> {
        self.expansion = self.expansion.checked_sub(characters).ok_or_else(|| {
            format!(
                "`{}` refers to too much: its references multiply",
                shown(path)
            )
        })?;
        Ok(())
    }

    /// `key`, or `key[inner][inner]`.
    fn lookup(&self, key: &str) -> Option<&'a Value> {
        let mut names = key.split('[').map(|name| name.trim_end_matches(']'));
        let mut value = self.top.get(names.next()?)?;
        for name in names {
            while let Value::Tagged(tagged) = value {
                value = &tagged.value;
            }
            value = value.get(name)?;
        }
        Some(value)
    }
}

enum Piece<'a> {
    Text(&'a str),
    Key(&'a str),
}

impl<'a> Piece<'a> {
    fn split(mut rest: &'a str) -> Option<Vec<Self>> {
        let mut pieces = Vec::new();
        while let Some(start) = rest.find('<') {
            if start > 0 {
                pieces.push(Self::Text(&rest[..start]));
            }
            let end = start + rest[start..].find('>')?;
            pieces.push(Self::Key(&rest[start + 1..end]));
            rest = &rest[end + 1..];
        }
        if !rest.is_empty() {
            pieces.push(Self::Text(rest));
        }
        Some(pieces)
    }
}

/// Sums and products of numbers. Integers stay integers, except in a true division, as in Python.
struct Arithmetic<'a> {
    rest: &'a str,
}

#[derive(Clone, Copy)]
enum Number {
    Integer(i64),
    Float(f64),
}

impl From<Number> for Value {
    fn from(number: Number) -> Self {
        match number {
            Number::Integer(n) => Value::from(n),
            Number::Float(x) => Value::from(x),
        }
    }
}

impl Number {
    fn float(self) -> f64 {
        match self {
            Self::Integer(n) => n as f64,
            Self::Float(x) => x,
        }
    }

    fn apply(self, operator: char, other: Self) -> Option<Self> {
        if let (Self::Integer(a), Self::Integer(b)) = (self, other) {
            match operator {
                '+' => return a.checked_add(b).map(Self::Integer),
                '-' => return a.checked_sub(b).map(Self::Integer),
                '*' => return a.checked_mul(b).map(Self::Integer),
                _ => {}
            }
        }
        let (a, b) = (self.float(), other.float());
        Some(Self::Float(match operator {
            '+' => a + b,
            '-' => a - b,
            '*' => a * b,
            _ => a / b,
        }))
    }
}

impl<'a> Arithmetic<'a> {
    /// `None` where the text is no arithmetic.
    fn evaluate(text: &'a str) -> Option<Number> {
        let mut parser = Self {
            rest: text.trim_start(),
        };
        let number = parser.sum()?;
        parser.rest.is_empty().then_some(number)
    }

    fn take(&mut self, wanted: &[char]) -> Option<char> {
        let first = self.rest.chars().next().filter(|c| wanted.contains(c))?;
        self.rest = self.rest[first.len_utf8()..].trim_start();
        Some(first)
    }

    fn sum(&mut self) -> Option<Number> {
        let mut left = self.product()?;
        while let Some(operator) = self.take(&['+', '-']) {
            left = left.apply(operator, self.product()?)?;
        }
        Some(left)
    }

    fn product(&mut self) -> Option<Number> {
        let mut left = self.number()?;
        while let Some(operator) = self.take(&['*', '/']) {
            left = left.apply(operator, self.number()?)?;
        }
        Some(left)
    }

    fn number(&mut self) -> Option<Number> {
        let sign = if self.take(&['-']).is_some() { -1 } else { 1 };
        let end = self
            .rest
            .find(|c: char| !(c.is_ascii_digit() || c == '.'))
            .unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        match digits.parse::<i64>() {
            Ok(n) => Some(Number::Integer(sign * n)),
            Err(_) => digits
                .parse()
                .ok()
                .map(|x: f64| Number::Float(sign as f64 * x)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(yaml: &str, key: &str) -> f64 {
        HyperYaml::parse(yaml).unwrap().section(key).unwrap()
    }

    #[test]
    fn a_reference_is_replaced_by_what_it_refers_to() {
        assert_eq!(number("a: 7\nb: !ref <a>\nc: !ref <b>", "c"), 7.0);
        assert_eq!(
            number(
                "s: !new:some.Class\n  inner: {x: 3}\nb: !ref <s[inner][x]>",
                "b"
            ),
            3.0
        );
    }

    #[test]
    fn references_are_multiplied_and_added_with_the_usual_precedence() {
        assert_eq!(number("a: 25\nb: 2\nc: !ref <a> * <b>", "c"), 50.0);
        assert_eq!(
            number("a: 25\nb: 2\nc: !ref 1 + <a> * -<b> - 0.5", "c"),
            -49.5
        );
        assert_eq!(number("a: 25\nb: 2\nc: !ref <a> / <b>", "c"), 12.5);
    }

    #[test]
    fn a_product_of_integers_is_an_integer() {
        let yaml = HyperYaml::parse("a: 25\nb: 2\nc: !ref <a> * <b>").unwrap();
        assert_eq!(yaml.section::<usize>("c"), Ok(50));
    }

    #[test]
    fn references_are_put_into_other_text() {
        let yaml = HyperYaml::parse("a: dir\nb: 2\nc: !ref <a>/part-<b>.txt").unwrap();
        assert_eq!(yaml.section::<String>("c").as_deref(), Ok("dir/part-2.txt"));
    }

    #[test]
    fn tags_become_the_class_of_their_section() {
        let yaml =
            HyperYaml::parse("a: !new:x.Y\n  b: !name:x.f\n    c: 1\nd: !apply:seed [1]").unwrap();
        assert_eq!(yaml.class("a"), Some("x.Y"));
        assert_eq!(yaml.class("a.b"), Some("x.f"));
        assert_eq!(yaml.class("d"), Some("seed"));
        assert_eq!(yaml.section::<Vec<u32>>("d"), Ok(vec![1]));
    }

    #[test]
    fn a_circle_of_references_is_an_error() {
        assert!(
            HyperYaml::parse("a: !ref <b>\nb: !ref <a>")
                .unwrap_err()
                .contains("circle")
        );
    }

    #[test]
    fn a_reference_to_nothing_is_an_error_that_names_both_ends() {
        let error = HyperYaml::parse("s: {a: !ref <b>}").unwrap_err();
        assert!(error.contains("`s.a`") && error.contains("`b`"), "{error}");
    }
}
