//! Character classes as in Python 3.11's `str` and `re`: digits, blanks, punctuation, Chinese.
//!
//! They follow the Unicode version of the Python package, where Rust's standard library follows a
//! newer one.

use crate::unicode_tables::{DECIMAL_DIGITS, OTHER_DIGITS, PUNCTUATION_AND_SYMBOLS};

fn range_of(table: &[(char, char)], c: char) -> Option<(char, char)> {
    let after = table.partition_point(|&(first, _)| first <= c);
    table[..after]
        .last()
        .copied()
        .filter(|&(_, last)| c <= last)
}

/// Whether Python's `\d` matches `c`: a Unicode decimal digit of any script.
pub fn is_decimal(c: char) -> bool {
    range_of(DECIMAL_DIGITS, c).is_some()
}

/// The value of a decimal digit of any script, as in Python's `int`; `None` for anything else.
pub fn decimal_value(c: char) -> Option<u8> {
    range_of(DECIMAL_DIGITS, c).map(|(zero, _)| ((u32::from(c) - u32::from(zero)) % 10) as u8)
}

/// Python's `str.isdigit` of one character: decimal digits, and others such as `²` and `①`.
pub fn is_digit(c: char) -> bool {
    is_decimal(c) || range_of(OTHER_DIGITS, c).is_some()
}

/// Whether `[\p{P}\p{S}]` of the Python package regex matches `c`.
pub fn is_punctuation_or_symbol(c: char) -> bool {
    range_of(PUNCTUATION_AND_SYMBOLS, c).is_some()
}

/// Whether `c` is a CJK unified ideograph of the basic block, U+4E00 to U+9FFF.
pub fn is_chinese(c: char) -> bool {
    ('\u{4e00}'..='\u{9fff}').contains(&c)
}

/// Python's `str.strip` without arguments.
///
/// ```
/// assert_eq!(wetext::unicode::strip("\u{1c} 3 \u{3000}"), "3");
/// ```
pub fn strip(text: &str) -> &str {
    // Python treats the four ASCII separators as blanks, Unicode's White_Space does not.
    text.trim_matches(|c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_match_python() {
        for (c, decimal, digit) in [
            ('7', Some(7), true),
            ('٣', Some(3), true),
            ('９', Some(9), true),
            ('𝟜', Some(4), true),
            ('²', None, true),
            ('①', None, true),
            ('Ⅷ', None, false),
            ('½', None, false),
            ('三', None, false),
            ('a', None, false),
        ] {
            assert_eq!((decimal_value(c), is_digit(c)), (decimal, digit), "{c}");
            assert_eq!(is_decimal(c), decimal.is_some(), "{c}");
        }
    }

    #[test]
    fn strip_removes_ascii_separators_and_keeps_zero_width_spaces() {
        assert_eq!(
            strip("\u{1c}\u{1f} \u{a0}\u{3000}\u{85}a b\r\n\u{2028}"),
            "a b"
        );
        assert_eq!(strip("\u{200b}a\u{feff}"), "\u{200b}a\u{feff}");
        assert_eq!(strip(" \t "), "");
    }

    #[test]
    fn tables_are_sorted_and_decimal_ranges_are_whole_runs_of_ten() {
        for table in [DECIMAL_DIGITS, OTHER_DIGITS, PUNCTUATION_AND_SYMBOLS] {
            assert!(table.iter().all(|(first, last)| first <= last));
            assert!(table.windows(2).all(|w| w[0].1 < w[1].0));
        }
        for &(first, last) in DECIMAL_DIGITS {
            assert_eq!(
                (u32::from(last) - u32::from(first) + 1) % 10,
                0,
                "{first:?}"
            );
        }
    }
}
