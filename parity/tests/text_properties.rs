//! What holds for any text.

use std::sync::LazyLock;

use crate::model;
use native::Error;
use native::text::{FrontendOptions, NormalizerKind, TextFrontend};
use parity::text_corpus::Generator;
use proptest::prelude::*;

fn load(normalizer: NormalizerKind, strict: bool) -> TextFrontend {
    let model = model::tiny();
    let (vocabulary, rules) = (model.join("CosyVoice-BlankEN"), model.join("text_rules"));
    let options = FrontendOptions {
        normalizer,
        strict,
        ..Default::default()
    };
    TextFrontend::load(&vocabulary, Some(&rules), options).unwrap()
}

/// A lenient and a strict frontend for each normaliser.
static FRONTENDS: LazyLock<Vec<(TextFrontend, TextFrontend)>> = LazyLock::new(|| {
    [
        NormalizerKind::Wetext018,
        NormalizerKind::Wetext004,
        NormalizerKind::None,
    ]
    .map(|normalizer| (load(normalizer, false), load(normalizer, true)))
    .into()
});

fn plain() -> &'static TextFrontend {
    &FRONTENDS[2].0
}

/// Any characters, and lines such as people and fuzzers write.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-z0-9 .,!?;:\"“”好你。，！？；：、²٣<|>\\[\\]\\\\\n\0-]{0,80}",
        any::<u64>().prop_map(|seed| Generator::new(seed).any().1),
    ]
}

/// What is spoken of a text: marks, blanks and symbols may go, letters and digits may not.
fn spoken(text: &str) -> String {
    // Letters in circles and squares are symbols to Unicode, and dropped as such by the reference,
    // but alphabetic too.
    let enclosed = |c: &char| matches!(c, '\u{24B6}'..='\u{24E9}' | '\u{1F130}'..='\u{1F189}');
    let letters = text.chars().filter(|c| c.is_alphanumeric());
    letters.filter(|c| !enclosed(c)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_text_is_answered_and_strict_refuses_exactly_what_is_warned_about(text in texts()) {
        for (lenient, strict) in FRONTENDS.iter() {
            let split = lenient.normalize(&text, true).unwrap();
            let whole = lenient.normalize(&text, false).unwrap();
            prop_assert_eq!(&whole.segments, std::slice::from_ref(&whole.text));
            prop_assert_eq!((&whole.text, &whole.warnings), (&split.text, &split.warnings));
            for segment in &split.segments {
                lenient.ids(segment).unwrap();
            }
            match strict.normalize(&text, true) {
                Ok(found) => prop_assert_eq!(&found, &split),
                Err(Error::Input(said)) => prop_assert_eq!(&said, &split.warnings[0]),
                Err(other) => prop_assert!(false, "{}", other),
            }
        }
    }

    #[test]
    fn no_letter_or_digit_is_lost_in_splitting(text in texts()) {
        for (frontend, _) in FRONTENDS.iter() {
            let found = frontend.normalize(&text, true).unwrap();
            prop_assert_eq!(spoken(&found.segments.concat()), spoken(&found.text));
        }
    }

    #[test]
    fn chinese_segments_keep_to_their_lengths(text in "好([好你a，]{0,70}[。？！；、]){1,12}") {
        let found = plain().normalize(&text, true).unwrap();
        let length = |s: &str| s.chars().count();
        let sentences = text.split_inclusive(['。', '？', '！', '；', '、']);
        let longest = sentences.map(length).max().unwrap_or(0);
        // A segment grows past 80 only if it had no more than 60 before; the last takes over
        // what would be shorter than 20.
        let most = 80.max(60 + longest) + 19;
        let lengths: Vec<_> = found.segments.iter().map(|s| length(s)).collect();
        let (last, others) = lengths.split_last().unwrap();
        prop_assert!(*last <= most && others.iter().all(|l| (61..=most).contains(l)), "{lengths:?}");
    }

    #[test]
    fn a_segment_of_chinese_is_a_segment_again(text in "(好[好你]{0,69}[。？！；]”?){1,12}") {
        // It does not hold where a quote follows a mark that is dropped, nor for the comma of
        // enumeration, which ends sentences too but becomes a full stop at the end of a text.
        for segment in plain().normalize(&text, true).unwrap().segments {
            let again = plain().normalize(&segment, true).unwrap().segments;
            prop_assert_eq!(again, [segment]);
        }
    }

    #[test]
    fn what_was_spelled_out_stays_as_it_is(text in "[a-z]([a-z ,]{0,30}[0-9²٣]{0,5}[.!?]?){0,4}[a-z.]") {
        let once = plain().normalize(&text, false).unwrap().text;
        prop_assert_eq!(&plain().normalize(&once, false).unwrap().text, &once);
    }

    #[test]
    fn a_verbatim_frontend_changes_nothing(text in texts()) {
        static VERBATIM: LazyLock<TextFrontend> = LazyLock::new(|| {
            let options = FrontendOptions { verbatim: true, ..Default::default() };
            TextFrontend::load(&model::tiny().join("CosyVoice-BlankEN"), None, options).unwrap()
        });
        let found = VERBATIM.normalize(&text, true).unwrap();
        prop_assert_eq!(&found.text, &text);
        prop_assert_eq!(found.segments, [text]);
        prop_assert!(found.warnings.is_empty());
    }
}
