//! Pauses that are written into a text, as in SSML: `<break time="0.5s"/>`.

use std::time::Duration;

use crate::{Error, Result};

/// The longest pause that a text may ask for.
const LONGEST: Duration = Duration::from_secs(60);
/// How a pause is written, for messages.
const FORM: &str =
    "a pause is written <break time=\"0.5s\"/> or <break time=\"500ms\"/>, at most 60s";

/// A part of a text, and the silence after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Passage {
    /// The text up to the break, trimmed.
    pub(crate) text: String,
    /// The silence that the break asks for; none at the end of the text.
    pub(crate) pause: Option<Duration>,
}

/// Whether a text has a break, right or wrong.
pub(crate) fn has_breaks(text: &str) -> bool {
    next_break(text).is_some()
}

/// Cuts a text at its breaks, which are not part of it.
///
/// # Errors
/// If a break is written in another way, or is too long.
pub(crate) fn passages(text: &str) -> Result<Vec<Passage>> {
    let mut passages = Vec::new();
    let mut rest = text;
    while let Some(at) = next_break(rest) {
        let tag = &rest[at..];
        let refused = || {
            let shown: String = tag.chars().take(40).collect();
            Error::input(format!("{shown:?}: {FORM}"))
        };
        let length = tag.find('>').ok_or_else(refused)? + 1;
        let pause = time(&tag[..length]).filter(|time| *time <= LONGEST);
        passages.push(Passage {
            text: rest[..at].trim().to_owned(),
            pause: Some(pause.ok_or_else(refused)?),
        });
        rest = &tag[length..];
    }
    passages.push(Passage {
        text: rest.trim().to_owned(),
        pause: None,
    });
    Ok(passages)
}

/// Where the next `<break` begins, unless that is the beginning of a longer word.
fn next_break(text: &str) -> Option<usize> {
    const BEGIN: &str = "<break";
    let found = text.match_indices(BEGIN);
    let mut tags = found.filter(|(at, _)| {
        let next = text[at + BEGIN.len()..].chars().next();
        next.is_none_or(|c| c.is_whitespace() || matches!(c, '/' | '>'))
    });
    tags.next().map(|(at, _)| at)
}

/// The time of a whole tag.
fn time(tag: &str) -> Option<Duration> {
    let inner = tag.strip_prefix("<break")?.strip_suffix("/>")?.trim();
    let value = inner.strip_prefix("time")?.trim_start().strip_prefix('=')?;
    let value = value.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let value = value.strip_prefix(quote)?.strip_suffix(quote)?.trim();
    let (number, per_second) = match value.strip_suffix("ms") {
        Some(number) => (number, 1000.0),
        None => (value.strip_suffix('s')?, 1.0),
    };
    // What a float takes beside digits, such as 1e3 and inf, is no time in SSML.
    let plain = number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let number: f64 = number.parse().ok().filter(|_| plain)?;
    Duration::try_from_secs_f64(number / per_second).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<(String, Option<u128>)> {
        let passages = passages(text).unwrap().into_iter();
        passages
            .map(|p| (p.text, p.pause.map(|pause| pause.as_millis())))
            .collect()
    }

    #[test]
    fn a_text_is_cut_at_its_breaks() {
        let text = "One. <break time=\"0.5s\"/> Two, <break  time = '250ms' />three.";
        assert_eq!(
            cut(text),
            [
                ("One.".into(), Some(500)),
                ("Two,".into(), Some(250)),
                ("three.".into(), None)
            ]
        );
        assert_eq!(cut("None."), [("None.".into(), None)]);
        assert_eq!(
            cut("<break time=\"2s\"/>"),
            [(String::new(), Some(2000)), (String::new(), None)]
        );
    }

    #[test]
    fn a_word_that_begins_like_a_break_is_text() {
        for text in ["<breakfast> at nine", "a < break", "take a break", "<brea"] {
            assert!(!has_breaks(text), "{text}");
        }
    }

    #[test]
    fn what_is_no_break_is_refused_with_its_form() {
        for tag in [
            "<break/>",
            "<break>",
            "<break time=\"1s\">",
            "<break time=1s/>",
            "<break time=\"1\"/>",
            "<break time=\"-1s\"/>",
            "<break time=\"1e1s\"/>",
            "<break time=\"infs\"/>",
            "<break time=\"61s\"/>",
            "<break time=\"1s'/>",
            "<break strength=\"weak\"/>",
            "<break time=\"1s\"",
        ] {
            let error = passages(&format!("Hello {tag} there"))
                .unwrap_err()
                .to_string();
            assert!(
                error.contains("a pause is written <break time="),
                "{tag}: {error}"
            );
        }
    }
}
