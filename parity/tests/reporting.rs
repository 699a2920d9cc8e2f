//! The contents of the report, and of everything that is made from it.

use std::path::Path;

use parity::recording::Recording;
use parity::report::{Detail, Report, Rest, html, junit, table};
use parity::stage::{Feed, Key, Stage};

use crate::made_up;

const PAGE: Rest<'static> = Rest::Options("--html FILE writes the page");

pub fn report(change: impl FnOnce(&mut Recording)) -> Report {
    let golden = made_up::golden();
    let mut isolated = made_up::recording("native");
    isolated.manifest.feed = Feed::Isolated;
    change(&mut isolated);
    let cascaded = made_up::recording("native");
    made_up::report(&golden, &isolated, &cascaded, None)
}

pub fn with_faults() -> Report {
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
    let scripts = html(&report(|_| ())).unwrap().matches("<script").count();
    assert_eq!(
        page.matches("<script").count(),
        scripts,
        "markup of a text went through"
    );
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
        "data-flac=\"ZkxhQ",
        "ace7c47f41bb",
    ] {
        assert!(page.contains(text), "{text}");
    }
}

#[test]
fn the_table_fits_80_columns_and_names_what_failed() {
    for report in [with_faults(), report(|_| ())] {
        let table = anstream::adapter::strip_str(&table(&report, Detail::Normal, PAGE)).to_string();
        for line in table.lines() {
            assert!(line.chars().count() <= 80, "{line}");
            assert_eq!(line.trim_end(), line);
        }
        if report.is_parity() {
            assert!(table.contains("\nPARITY  2 cases; stages: "), "{table}");
            // Not its length, which is exact and holds: how far it is from a limit says more.
            assert!(table.contains("mel window 0, at most 0.5 dB"), "{table}");
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
    // A failure's body has its origin and the way to run it again.
    let body = xml.split("<failure").nth(1).unwrap();
    let body = &body[..body.find("</failure>").unwrap()];
    for part in ["this stage introduced the error", "again: parity report"] {
        assert!(body.contains(part), "{body}");
    }
}

#[test]
fn a_tampered_report_puts_no_markup_into_the_page() {
    let mut report = with_faults();
    report.cases[0].sound.as_mut().unwrap().flac = "\"><script>alert(1)".into();
    report.cases[0].mels[0].reference.steps = "\"><script>alert(1)".into();
    report.cases[0].reproduce = "</code><script>alert(1)</script>".into();
    report.cases[0].outcome.name = "\"><script>alert(1)".into();
    report.golden.engine = "</style><script>alert(1)".into();
    report.candidates[0].engine = "</script><script>alert(1)".into();
    assert!(!html(&report).unwrap().contains("<script>alert"));
}

#[test]
fn what_was_not_compared_is_listed() {
    let report = with_faults();
    let said = |report: &Report| {
        let table = table(report, Detail::Normal, Rest::Options("--html"));
        anstream::adapter::strip_str(&table).to_string()
    };
    let line = "vocoder.f0 isolated: not recorded in 1 of 2 cases";
    assert!(said(&report).contains(line), "{}", said(&report));
    assert!(html(&report).unwrap().contains(line));
    assert!(!said(&self::report(|_| ())).contains("not recorded"));
    assert_eq!(self::report(|_| ()).not_covered, Vec::<String>::new());
    let only_one = self::report(|isolated| {
        isolated.cases.remove("first");
    });
    let line = "1 of 2 cases were not recorded: first";
    assert!(said(&only_one).contains(line), "{}", said(&only_one));
}

/// The committed schema.
fn schema() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/report.schema.json");
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_schema_in_the_repository_is_that_of_the_code() {
    assert!(
        schema() == parity::report::schema(),
        "run `parity render --schema > parity/docs/report.schema.json`"
    );
}

#[test]
fn reports_fit_the_schema_and_broken_ones_do_not() {
    let schema = serde_json::from_str(&schema()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors = |json: &serde_json::Value| -> Vec<String> {
        let errors = validator.iter_errors(json);
        errors
            .map(|e| format!("{}: {e}", e.instance_path()))
            .collect()
    };
    let mut reports = vec![report(|_| ()), with_faults(), with_nan()];
    let trend = parity::report::Trend::of(&reports[0], &reports[1]);
    reports[1].trend = Some(trend);
    reports[1].shard = Some(parity::report::Shard { index: 1, of: 2 });
    for report in &reports {
        assert_eq!(
            errors(&serde_json::to_value(report).unwrap()),
            Vec::<String>::new()
        );
    }
    let good = serde_json::to_value(&reports[1]).unwrap();
    let broken: [fn(&mut serde_json::Value); 4] = [
        |r| r["version"] = 2.into(),
        |r| r["cases"][0]["outcome"]["verdict"] = "green".into(),
        |r| r["stages"][0]["stage"] = "flow.step.11".into(),
        |r| drop(r.as_object_mut().unwrap().remove("golden")),
    ];
    for change in broken {
        let mut bad = good.clone();
        change(&mut bad);
        assert_ne!(errors(&bad), Vec::<String>::new());
    }
}

/// A report of a candidate whose tensors and logits are not finite.
fn with_nan() -> Report {
    report(|isolated| {
        for key in [
            Key::segment(Stage::FlowMel, 0),
            Key::segment(Stage::LlmLogits, 0),
        ] {
            let array = isolated
                .cases
                .get_mut("first")
                .unwrap()
                .tensors
                .get_mut(&key)
                .unwrap();
            let mut values = array.as_f32().unwrap().to_vec();
            values[5] = f32::NAN;
            *array = parity::array::Array::f32(array.shape().to_vec(), values).unwrap();
        }
    })
}

#[test]
fn a_report_of_values_that_are_not_finite_can_be_read_again() {
    let report = with_nan();
    let json = serde_json::to_string(&report).unwrap();
    assert!(json.contains("\"NaN\"") && !json.contains("null,null"));
    let read: Report = serde_json::from_str(&json).unwrap();
    assert_eq!(html(&read).unwrap(), html(&report).unwrap());
}

#[test]
fn quiet_is_short_and_verbose_has_every_case() {
    let report = with_faults();
    let plain = |detail| anstream::adapter::strip_str(&table(&report, detail, PAGE)).to_string();
    let (quiet, normal, verbose) = (
        plain(Detail::Quiet),
        plain(Detail::Normal),
        plain(Detail::Verbose),
    );
    assert!(
        quiet.contains("PARITY FAILED") && quiet.contains("second: text.normalized introduced")
    );
    assert!(!quiet.contains("prompt.mel"));
    assert!(quiet.len() < normal.len() && normal.len() < verbose.len());
    assert!(verbose.contains("\nfirst\n") && verbose.contains("\nsecond\n"));
    let passes = table(&self::report(|_| ()), Detail::Quiet, PAGE);
    assert_eq!(
        anstream::adapter::strip_str(&passes)
            .to_string()
            .lines()
            .count(),
        1
    );
    for line in [quiet, verbose].iter().flat_map(|t| t.lines()) {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn recorded_texts_that_differ_fail_a_run_that_is_otherwise_in_parity() {
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
    assert!(
        table(&with(agreeing), Detail::Normal, PAGE)
            .contains("9/9 pass, and 1 that the reference fails on")
    );
    let failed = with(differing);
    assert_eq!((failed.exit, &*failed.verdict), (2, "parity failed"));
    assert!(table(&failed, Detail::Normal, PAGE).contains("8/9 FAIL"));
    // Nothing compared is not agreement.
    assert_eq!(with(Default::default()).exit, 2);
}

/// Version 2 called the layers of the networks `deep`, `looks`, `part` and `taps`.
#[test]
fn a_report_of_version_2_keeps_its_layers() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/report-v2.json");
    let report = parity::report::read(&path).unwrap();
    assert_eq!(report.version, parity::report::REPORT_VERSION);
    let layers = report.layers.as_ref().unwrap();
    assert_eq!(layers.notes.len(), 1);
    let network = &layers.networks[0];
    assert_eq!(network.network, parity::layers::Network::Llm);
    assert_eq!(network.layers.len(), 15);
    let first = network.first.as_ref().unwrap().to_string();
    assert_eq!(first, "llm.logits/layer.00.attention.v[0]");
    assert_eq!(network.layers[3].key.to_string(), first);
    assert_eq!((report.exit, report.status().code()), (2, 2));
    let change = &report.trend.as_ref().unwrap().changes[0];
    assert_eq!(change.direction, parity::report::ChangeDirection::Worse);
    let page = html(&report).unwrap();
    assert!(page.contains("Layers of the networks"));
    assert!(page.contains(&first.replace('/', "&#x2f;")), "{first}");

    // It is written again under the new names.
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["layers"]["networks"][0]["network"], "llm");
    let schema = serde_json::from_str(&schema()).unwrap();
    assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&json));
}
