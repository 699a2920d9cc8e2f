//! Splits a text into segments short enough to be synthesised at once.

use wetext::unicode::is_punctuation_or_symbol;

use super::recovery::is_invisible;

/// The marks that end a sentence, and the full stop that is appended to a text without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marks {
    /// Full-width marks, the enumeration comma, and the ASCII marks except the colon.
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

/// A segment longer than this is closed if the next sentence would make it longer than
/// [`MAX_LENGTH`].
const MIN_LENGTH: usize = 60;
/// Maximum length of a segment, if its sentences allow it.
const MAX_LENGTH: usize = 80;
/// A last segment shorter than this is appended to the previous one.
const MERGE_LENGTH: usize = 20;

/// The sentences of a text.
pub(super) struct Sentences {
    /// Each with its closing mark, and with the closing quote that follows it, if any.
    pub(super) sentences: Vec<String>,
    /// Whether a closing quote followed a mark with no sentence before it, on which the reference
    /// raises IndexError.
    pub(super) orphan_quote: bool,
}

/// Splits a non-empty text after each sentence mark.
///
/// A mark that directly follows another is dropped, as in the reference.
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

/// Joins sentences into segments whose length is measured by `length`.
///
/// `at_most` is a cheap upper bound of `length` that saves most calls to it.
///
/// # Errors
///
/// The first error of `length`.
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

/// Whether a segment has nothing but punctuation and symbols.
pub(super) fn is_only_punctuation(segment: &str) -> bool {
    segment.chars().all(is_punctuation_or_symbol)
}

/// Whether a text has more than punctuation, symbols, blanks and characters that do not show.
pub(crate) fn has_words(text: &str) -> bool {
    !text.chars().all(|c| {
        is_punctuation_or_symbol(c) || c.is_whitespace() || c.is_control() || is_invisible(c)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(text: &str, marks: Marks) -> Vec<String> {
        let length = |text: &str| {
            Ok::<_, ()>(match marks {
                Marks::Chinese => text.chars().count(),
                Marks::English => text.split_whitespace().count(),
            })
        };
        join(&sentences(text, marks).sentences, str::len, length).unwrap()
    }

    #[test]
    fn short_sentences_form_one_segment_and_a_missing_full_stop_is_added() {
        for (text, whole) in [
            ("A: b; c", "A: b; c."),
            ("He said \"go.\" Then left.", "He said \"go.\" Then left."),
            ("One. Two! \"\"", "One. Two! \"\"."),
            ("x.\"\"y.", "x.\"\"y."),
        ] {
            assert_eq!(split(text, Marks::English), [whole]);
        }
        for (text, whole) in [
            ("你好", "你好。"),
            ("你好。“真的？”他问", "你好。“真的？”他问。"),
            ("一、二、三。", "一、二、三。"),
            ("句子。”", "句子。”"),
            ("甲：乙:丙", "甲：乙:丙。"),
        ] {
            assert_eq!(split(text, Marks::Chinese), [whole]);
        }
    }

    #[test]
    fn a_mark_directly_after_another_is_dropped() {
        assert_eq!(split("a..b?!c", Marks::English), ["a.b?c."]);
    }

    /// Splits a text whose sentences have `lengths`, and returns the sentence lengths per segment.
    fn segment_lengths(lengths: &[usize], marks: Marks) -> Vec<Vec<usize>> {
        let (word, between) = if marks == Marks::Chinese {
            ("好", "")
        } else {
            ("w", " ")
        };
        let stop = marks.full_stop().to_string();
        let text: Vec<_> = lengths
            .iter()
            .map(|&n| vec![word; n].join(between) + &stop)
            .collect();
        split(&text.join(between), marks)
            .iter()
            .map(|segment| {
                segment
                    .split_terminator(&stop)
                    .map(|s| s.matches(word).count())
                    .collect()
            })
            .collect()
    }

    #[test]
    fn english_segment_lengths_match_the_reference() {
        for (lengths, segments) in [
            (&[70, 12, 5], &[&[70, 12, 5][..]][..]),
            (&[70, 25, 5], &[&[70], &[25, 5]]),
            (&[60, 25, 30], &[&[60, 25], &[30]]),
            (&[61, 19, 30], &[&[61, 19], &[30]]),
            (&[61, 20, 30], &[&[61], &[20, 30]]),
        ] {
            assert_eq!(
                segment_lengths(lengths, Marks::English),
                segments,
                "{lengths:?}"
            );
        }
    }

    #[test]
    fn chinese_segment_lengths_match_the_reference() {
        for (lengths, segments) in [
            (&[59, 25, 30][..], &[&[59, 25][..], &[30]][..]),
            (&[60, 25, 30], &[&[60], &[25, 30]]),
            (&[60, 25, 18], &[&[60], &[25, 18]]),
            (&[60, 80, 18], &[&[60], &[80, 18]]),
            (&[60, 80, 19], &[&[60], &[80], &[19]]),
            (&[60, 19], &[&[60], &[19]]),
        ] {
            assert_eq!(
                segment_lengths(lengths, Marks::Chinese),
                segments,
                "{lengths:?}"
            );
        }
    }

    #[test]
    fn a_quote_without_a_sentence_before_it_joins_the_next_sentence() {
        let found = sentences(".\"x", Marks::English);
        assert_eq!(
            (found.sentences, found.orphan_quote),
            (vec!["\"x.".to_owned()], true)
        );
    }

    #[test]
    fn segments_without_letters_or_digits_are_only_punctuation() {
        for segment in ["", "。", "...", "“”", "$+€", "👍"] {
            assert!(is_only_punctuation(segment), "{segment}");
        }
        for segment in ["a.", "。好", "1", " ", "\u{301}", "²"] {
            assert!(!is_only_punctuation(segment), "{segment}");
        }
    }

    proptest! {
        #[test]
        fn splitting_loses_only_sentence_marks(text in "[ab好。.?!;:、\"” ]{1,80}", chinese: bool) {
            let marks = if chinese { Marks::Chinese } else { Marks::English };
            let spoken = |text: &str| text.replace(|c| marks.contains(c), "");
            prop_assert_eq!(spoken(&split(&text, marks).concat()), spoken(&text));
        }

        #[test]
        fn the_upper_bound_does_not_change_segments(text in "[a-c]{0,9}([a-c ]{0,30}[.?!;]){0,20}[a-c]") {
            let sentences = sentences(&text, Marks::English).sentences;
            let length = |text: &str| Ok::<_, ()>(text.split_whitespace().count());
            prop_assert_eq!(
                join(&sentences, str::len, length),
                join(&sentences, |_| usize::MAX, length)
            );
        }
    }
}
