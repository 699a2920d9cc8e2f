//! Numbers in English words, spelled as by the Python package inflect 7.3.1.

use wetext::unicode::{decimal_value, is_digit};

const BELOW_TWENTY: [&str; 20] = [
    "",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 10] = [
    "", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
];
const SCALES: [&str; 12] = [
    "",
    "thousand",
    "million",
    "billion",
    "trillion",
    "quadrillion",
    "quintillion",
    "sextillion",
    "septillion",
    "octillion",
    "nonillion",
    "decillion",
];

/// CPython refuses to convert longer digit strings to integers.
const MAX_DIGITS: usize = 4300;

/// Why a number cannot be spelled; inflect raises an exception on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SpellingError {
    /// It is beyond the decillions: NumOutOfRangeError.
    OutOfRange,
    /// It has more than 4,300 digits: ValueError.
    TooManyDigits,
}

impl SpellingError {
    /// Name of the exception in Python.
    pub(super) fn exception(self) -> &'static str {
        match self {
            Self::OutOfRange => "NumOutOfRangeError",
            Self::TooManyDigits => "ValueError",
        }
    }
}

/// A run of digits that cannot be spelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UnspelledNumber {
    pub(super) digits: usize,
    pub(super) reason: SpellingError,
}

/// `inflect.engine().number_to_words` of a string for which `str.isdigit` holds.
///
/// Digits that are not decimal (`²`, `①`) are dropped; if none are left, the number is zero.
pub(super) fn number_to_words(digits: &str) -> Result<String, SpellingError> {
    let decimals: Vec<char> = digits
        .chars()
        .filter(|&c| decimal_value(c).is_some())
        .collect();
    let values: Vec<usize> = decimals
        .iter()
        .filter_map(|&c| decimal_value(c))
        .map(usize::from)
        .collect();
    if values.len() > MAX_DIGITS {
        return Err(SpellingError::TooManyDigits);
    }
    let Some(first) = values.iter().position(|&v| v != 0) else {
        return Ok("zero".into());
    };
    if values[first..] == [1] {
        return Ok("one".into());
    }
    // inflect strips only ASCII zeros: leading zeros of other scripts still form groups.
    let start = decimals.iter().position(|&c| c != '0').unwrap_or(first);
    Ok(join_groups(&groups(&values[start..])?))
}

struct Groups {
    /// The words of each spoken group of three digits, most significant first.
    words: Vec<String>,
    /// Whether the last spoken group is that of the units.
    ends_in_units: bool,
}

fn groups(values: &[usize]) -> Result<Groups, SpellingError> {
    let mut words = Vec::new();
    let mut ends_in_units = false;
    for (scale, group) in values.rchunks(3).enumerate() {
        let (hundreds, tens, units) = match *group {
            [h, t, u] => (h, t, u),
            [t, u] => (0, t, u),
            [u] => (0, 0, u),
            _ => continue,
        };
        // A zero leading group of fewer than three digits is spoken as its scale alone.
        let spoken = group.len() < 3 || hundreds + tens + units > 0;
        if !spoken {
            continue;
        }
        let scale_name = SCALES.get(scale).ok_or(SpellingError::OutOfRange)?;
        let mut parts = Vec::new();
        if hundreds > 0 {
            parts.push(format!("{} hundred", BELOW_TWENTY[hundreds]));
            if tens + units > 0 {
                parts.push("and".into());
            }
        }
        parts.push(below_hundred(tens, units));
        parts.push((*scale_name).into());
        parts.retain(|part| !part.is_empty());
        ends_in_units |= scale == 0;
        words.push(parts.join(" "));
    }
    words.reverse();
    Ok(Groups {
        words,
        ends_in_units,
    })
}

fn below_hundred(tens: usize, units: usize) -> String {
    match (tens, units) {
        (0 | 1, _) => BELOW_TWENTY[10 * tens + units].into(),
        (_, 0) => TENS[tens].into(),
        _ => format!("{}-{}", TENS[tens], BELOW_TWENTY[units]),
    }
}

fn join_groups(groups: &Groups) -> String {
    let Some((last, rest)) = groups.words.split_last() else {
        return String::new();
    };
    if rest.is_empty() {
        return last.clone();
    }
    let between = if groups.ends_in_units && !last.contains(' ') {
        " and "
    } else {
        ", "
    };
    format!("{}{between}{last}", rest.join(", "))
}

/// Replaces every run of digits by its words. Runs that cannot be spelled are kept, and returned
/// beside the text.
pub(super) fn spell_out_numbers(text: &str) -> (String, Vec<UnspelledNumber>) {
    let mut spelled = String::with_capacity(text.len());
    let mut unspelled = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(is_digit) {
        let (before, from_number) = rest.split_at(start);
        let end = from_number
            .find(|c| !is_digit(c))
            .unwrap_or(from_number.len());
        let (number, after) = from_number.split_at(end);
        spelled.push_str(before);
        match number_to_words(number) {
            Ok(words) => spelled.push_str(&words),
            Err(reason) => {
                spelled.push_str(number);
                let digits = number.chars().count();
                unspelled.push(UnspelledNumber { digits, reason });
            }
        }
        rest = after;
    }
    spelled.push_str(rest);
    (spelled, unspelled)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spelled_numbers_match_inflect() {
        let table = include_str!("../../tests/data/text/number_words.tsv");
        for (digits, words) in table.lines().filter_map(|line| line.split_once('\t')) {
            assert_eq!(number_to_words(digits).as_deref(), Ok(words), "{digits}");
        }
    }

    #[test]
    fn numbers_that_inflect_refuses_are_errors_with_its_reason() {
        let (range, digits) = (SpellingError::OutOfRange, SpellingError::TooManyDigits);
        for (number, reason) in [
            (format!("1{}", "0".repeat(36)), range),
            (format!("12{}", "0".repeat(36)), range),
            ("٠".repeat(37) + "5", range),
            ("0".repeat(4301), digits),
        ] {
            assert_eq!(number_to_words(&number), Err(reason), "{number}");
        }
        assert_eq!(number_to_words(&"0".repeat(4300)).as_deref(), Ok("zero"));
        assert_eq!(
            number_to_words(&("٠".repeat(40) + "12")).as_deref(),
            Ok("twelve")
        );
    }

    #[test]
    fn runs_of_digits_in_a_text_are_spelled() {
        let huge = "9".repeat(40);
        assert_eq!(
            spell_out_numbers(&format!("a 42, x²! {huge} 7")),
            (
                format!("a forty-two, xzero! {huge} seven"),
                vec![UnspelledNumber {
                    digits: 40,
                    reason: SpellingError::OutOfRange
                }]
            )
        );
        assert_eq!(spell_out_numbers("none"), ("none".into(), vec![]));
    }

    proptest! {
        #[test]
        fn no_digit_that_can_be_spelled_is_left(text in "[a-z0-9²٣ .]{0,60}") {
            let (spelled, unspelled) = spell_out_numbers(&text);
            prop_assert_eq!(unspelled.is_empty(), !spelled.contains(is_digit));
        }
    }
}
