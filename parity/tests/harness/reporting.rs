//! What is in the report, and in everything that is made from it.

use std::path::Path;

use parity::judge::{Tolerances, Trial};
use parity::recording::Recording;
use parity::report::{Report, html, junit, report_from, table};
use parity::stage::{Feed, Key, Stage};

use crate::made_up;

fn report(change: impl FnOnce(&mut Recording)) -> Report {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let tolerances = Tolerances::load(root.join("golden/tolerances.toml")).unwrap();
    let golden = made_up::golden();
    let mut isolated = made_up::recording("native");
    isolated.manifest.feed = Feed::Isolated;
    change(&mut isolated);
    let cascaded = made_up::recording("native");
    let trial = Trial {
        golden: &golden,
        isolated: Some(&isolated),
        cascaded: Some(&cascaded),
        expected: None,
        tolerances: &tolerances,
    };
    report_from(&trial, |case| format!("parity report --case {case}")).unwrap()
}

fn with_faults() -> Report {
    report(|isolated| {
        let case = isolated.cases.get_mut("second").unwrap();
        case.text.segments[1].text = "<script>alert('&')</script>\u{7}".into();
        case.tensors.remove(&Key::segment(Stage::VocoderF0, 1));
        let tokens = case
            .tensors
            .get_mut(&Key::segment(Stage::LlmTokens, 0))
            .unwrap();
        let mut ids = tokens.as_i64().unwrap().to_vec();
        ids[3] += 1;
        *tokens = parity::array::Array::ids(ids);
    })
}

#[test]
fn the_report_survives_json_and_everything_is_made_from_it_alone() {
    let report = with_faults();
    let json = serde_json::to_string(&report).unwrap();
    let read: Report = serde_json::from_str(&json).unwrap();
    assert!(read == report, "the report changed on its way through JSON");
    assert_eq!(html(&read).unwrap(), html(&report).unwrap());
}

#[test]
fn the_page_escapes_what_it_shows_and_fetches_nothing() {
    let page = html(&with_faults()).unwrap();
    assert!(!page.contains("<script"), "markup of a text went through");
    assert!(page.contains("&lt;"));
    for word in ["http://", "https://", "src=\"/", "@import", "url("] {
        assert!(!page.contains(word), "{word}");
    }
}

#[test]
fn the_page_shows_the_verdict_the_stage_at_fault_and_the_way_to_reproduce_it() {
    let page = html(&with_faults()).unwrap();
    for text in [
        "parity failed",
        "The first stage that introduced an error is",
        "first mismatch at 3: ",
        "the candidate lacks it",
        "parity report --case second",
        "data:image/png;base64,",
        "data:audio/wav;base64,",
        "ace7c47f41bb",
    ] {
        assert!(page.contains(text), "{text}");
    }
}

#[test]
fn the_table_fits_80_columns_and_names_what_failed() {
    for report in [with_faults(), report(|_| ())] {
        let table = anstream::adapter::strip_str(&table(&report)).to_string();
        for line in table.lines() {
            assert!(line.chars().count() <= 80, "{line}");
            assert_eq!(line.trim_end(), line);
        }
        if report.is_parity() {
            assert!(table.contains("\nPARITY  2 cases; stages: "), "{table}");
            // Not its length, which is exact and holds: how far it is from a limit says more.
            assert!(table.contains("SNR ∞ of 60 dB"), "{table}");
        } else {
            assert!(
                table.contains("second: text.normalized introduced the error"),
                "{table}"
            );
        }
    }
}

#[test]
fn junit_has_a_test_for_each_stage_and_holds_no_control_character() {
    let report = with_faults();
    let xml = junit(&report).unwrap();
    assert!(
        xml.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"parity\">")
    );
    let cells: usize = report.summary.cells.values().sum();
    assert_eq!(xml.matches("<testcase").count(), cells);
    assert_eq!(xml.matches("<failure").count(), 3);
    assert!(
        xml.contains("llm.tokens[0]: edit distance is 1 tokens, at most 0 tokens"),
        "{xml}"
    );
    assert!(!xml.contains('\u{7}'));
}

#[test]
fn a_tampered_report_puts_no_markup_into_the_page() {
    let mut report = with_faults();
    report.cases[0].sounds[0].wav = "\"><script>".into();
    report.cases[0].mels[0].reference.steps = "\"><script>".into();
    assert!(!html(&report).unwrap().contains("<script"));
}

#[test]
fn what_was_not_compared_is_listed() {
    let report = with_faults();
    assert_eq!(
        report.not_covered,
        ["case second, the candidate lacks it: vocoder.f0 isolated"]
    );
    assert_eq!(self::report(|_| ()).not_covered, Vec::<String>::new());
    let only_one = self::report(|isolated| {
        isolated.cases.remove("first");
    });
    let listed = &only_one.not_covered;
    assert!(
        listed[0].starts_with("case first, the candidate lacks the case: "),
        "{listed:?}"
    );
}

#[test]
fn recorded_texts_that_differ_fail_a_run_that_is_else_in_parity() {
    let agreeing = parity::text_corpus::Summary {
        lines: 10,
        compared: 9,
        agreed: 9,
        ..Default::default()
    };
    let differing = parity::text_corpus::Summary {
        agreed: 8,
        differing: 1,
        ..agreeing.clone()
    };
    let with = |texts| report(|_| ()).with_text_corpus(texts);
    assert_eq!(with(agreeing.clone()).status(), report(|_| ()).status());
    assert!(table(&with(agreeing)).contains("9/9 pass, and 1 that the reference fails on"));
    let failed = with(differing);
    assert_eq!((failed.exit, &*failed.verdict), (2, "parity failed"));
    assert!(table(&failed).contains("8/9 FAIL"));
    // Nothing compared is not agreement.
    assert_eq!(with(Default::default()).exit, 2);
}
