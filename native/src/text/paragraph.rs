//! Splitting a paragraph into segments short enough to be synthesised at once.

use super::unicode::is_punctuation_or_symbol;

/// Which marks end a sentence, and what is appended where the text ends in none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marks {
    /// Full-width marks and the enumeration comma, beside the ASCII ones but the colon.
    Chinese,
    /// ASCII marks.
    English,
}

impl Marks {
    fn contains(self, c: char) -> bool {
        match self {
            Self::Chinese => matches!(
                c,
                '。' | '？' | '！' | '；' | '：' | '、' | '.' | '?' | '!' | ';'
            ),
            Self::English => matches!(c, '.' | '?' | '!' | ';' | ':'),
        }
    }

    fn full_stop(self) -> char {
        match self {
            Self::Chinese => '。',
            Self::English => '.',
        }
    }
}

/// A segment is closed once it is longer than this and the next sentence would take it past
/// [`MAX_LENGTH`].
const MIN_LENGTH: usize = 60;
/// Segments are kept to this length where the sentences allow it.
const MAX_LENGTH: usize = 80;
/// A last segment shorter than this joins the one before.
const MERGE_LENGTH: usize = 20;

/// The sentences of a paragraph.
pub(super) struct Sentences {
    /// Each with its closing mark and a closing quote right after it.
    pub(super) sentences: Vec<String>,
    /// A closing quote stood after a mark with no sentence before it to take it; the reference
    /// raises IndexError there.
    pub(super) orphan_quote: bool,
}

/// Cuts `text`, which must not be empty, after each sentence mark.
///
/// A mark right after another one is dropped, as in the reference.
pub(super) fn sentences(text: &str, marks: Marks) -> Sentences {
    let mut text = text.to_owned();
    if !text.ends_with(|c| marks.contains(c)) {
        text.push(marks.full_stop());
    }
    let mut found = Sentences {
        sentences: Vec::new(),
        orphan_quote: false,
    };
    let mut start = 0;
    for (at, mark) in text.char_indices().filter(|&(_, c)| marks.contains(c)) {
        let end = at + mark.len_utf8();
        if start < at {
            found.sentences.push(text[start..end].to_owned());
        }
        start = end;
        if let Some(quote) = text[end..]
            .chars()
            .next()
            .filter(|c| matches!(c, '"' | '”'))
        {
            match found.sentences.last_mut() {
                Some(sentence) => {
                    sentence.push(quote);
                    start += quote.len_utf8();
                }
                None => found.orphan_quote = true,
            }
        }
    }
    found
}

/// Joins sentences into segments, measuring them with `length`.
///
/// `at_most` is a cheap upper bound of `length`, by which most calls of it are saved.
pub(super) fn join<E>(
    sentences: &[String],
    at_most: impl Fn(&str) -> usize,
    mut length: impl FnMut(&str) -> Result<usize, E>,
) -> Result<Vec<String>, E> {
    let mut longer = |text: &str, limit: usize| -> Result<bool, E> {
        Ok(at_most(text) > limit && length(text)? > limit)
    };
    let mut segments: Vec<String> = Vec::new();
    let mut current = String::new();
    for sentence in sentences {
        let before = current.len();
        current.push_str(sentence);
        if longer(&current, MAX_LENGTH)? && longer(&current[..before], MIN_LENGTH)? {
            let next = current.split_off(before);
            segments.push(std::mem::replace(&mut current, next));
        }
    }
    if !current.is_empty() {
        match segments.last_mut() {
            Some(last) if !longer(&current, MERGE_LENGTH - 1)? => last.push_str(&current),
            _ => segments.push(current),
        }
    }
    Ok(segments)
}

/// Whether a segment has nothing to be spoken.
pub(super) fn is_only_punctuation(segment: &str) -> bool {
    segment.chars().all(is_punctuation_or_symbol)
}
