//! Numbers in words, as the Python package inflect 7.3.1 spells them.

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

/// CPython refuses to read a longer digit string as an integer.
const MAX_DIGITS: usize = 4300;

/// Why inflect raises an exception for a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unspeakable {
    /// It is past the decillions: NumOutOfRangeError.
    OutOfRange,
    /// It has more than 4,300 digits: ValueError.
    TooManyDigits,
}

impl Unspeakable {
    /// The exception in Python.
    pub(super) fn exception(self) -> &'static str {
        match self {
            Self::OutOfRange => "NumOutOfRangeError",
            Self::TooManyDigits => "ValueError",
        }
    }
}

/// A run of digits that cannot be spoken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unspoken {
    /// How many digits it has.
    pub(super) digits: usize,
    /// Why.
    pub(super) reason: Unspeakable,
}

/// `inflect.engine().number_to_words` of a string for which `str.isdigit` holds.
///
/// Characters that are digits without being decimal (`²`, `①`) are dropped, and nothing left
/// reads as zero.
pub(super) fn number_to_words(digits: &str) -> Result<String, Unspeakable> {
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
        return Err(Unspeakable::TooManyDigits);
    }
    let Some(first) = values.iter().position(|&v| v != 0) else {
        return Ok("zero".into());
    };
    if values[first..] == [1] {
        return Ok("one".into());
    }
    // Only the ASCII zero is stripped: a leading zero of another script still makes up groups.
    let start = decimals.iter().position(|&c| c != '0').unwrap_or(first);
    Ok(join_groups(&groups(&values[start..])?))
}

/// The words of each group of three digits that is spoken, most significant first, and whether
/// the last of them is the group of the units.
struct Groups {
    words: Vec<String>,
    ends_in_units: bool,
}

fn groups(values: &[usize]) -> Result<Groups, Unspeakable> {
    let mut words = Vec::new();
    let mut ends_in_units = false;
    for (scale, group) in values.rchunks(3).enumerate() {
        let (hundreds, tens, units) = match *group {
            [h, t, u] => (h, t, u),
            [t, u] => (0, t, u),
            [u] => (0, 0, u),
            _ => continue,
        };
        // A short leading group is spoken even where it is zero, as its bare scale.
        let spoken = group.len() < 3 || hundreds + tens + units > 0;
        if !spoken {
            continue;
        }
        let scale_name = SCALES.get(scale).ok_or(Unspeakable::OutOfRange)?;
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

/// Replaces every run of digits by its words; a run that cannot be spoken stays, and is
/// named beside the text.
pub(super) fn spell_out_numbers(text: &str) -> (String, Vec<Unspoken>) {
    let mut spelled = String::with_capacity(text.len());
    let mut unspoken = Vec::new();
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
                unspoken.push(Unspoken { digits, reason });
            }
        }
        rest = after;
    }
    spelled.push_str(rest);
    (spelled, unspoken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_spelled_as_inflect_spells_them() {
        let table = include_str!("../../tests/data/text/number_words.tsv");
        for (digits, words) in table.lines().filter_map(|line| line.split_once('\t')) {
            assert_eq!(number_to_words(digits).as_deref(), Ok(words), "{digits}");
        }
    }

    #[test]
    fn numbers_that_inflect_refuses_are_refused_with_its_reason() {
        let (range, digits) = (Unspeakable::OutOfRange, Unspeakable::TooManyDigits);
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
    fn runs_of_digits_are_spelled_within_a_text() {
        let huge = "9".repeat(40);
        assert_eq!(
            spell_out_numbers(&format!("a 42, x²! {huge} 7")),
            (
                format!("a forty-two, xzero! {huge} seven"),
                vec![Unspoken {
                    digits: 40,
                    reason: Unspeakable::OutOfRange
                }]
            )
        );
        assert_eq!(spell_out_numbers("none"), ("none".into(), vec![]));
    }

    proptest! {
        #[test]
        fn no_spellable_digit_is_left(text in "[a-z0-9²٣ .]{0,60}") {
            let (spelled, unspoken) = spell_out_numbers(&text);
            prop_assert_eq!(unspoken.is_empty(), !spelled.contains(is_digit));
        }
    }
}
