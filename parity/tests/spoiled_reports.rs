//! Shards and reports that were spoiled: red, refused or incomplete, each for the right reason.

use parity::exit::Exit;
use parity::report::{Detail, Report, Rest, Shard, annotations, html, junit, merge, read};
use parity::report::{step_summary, table};
use parity::stage::Feed;
use serde_json::{Value, json};

use crate::{made_up, reporting};

const REST: Rest<'static> = Rest::Options("--html");

fn shards() -> Vec<Report> {
    // Shards hold the same golden, whatever the clock says while a test makes it up.
    let mut golden = made_up::golden();
    golden.manifest.recorded_at = "2026-01-01T00:00:00Z".into();
    let mut isolated = made_up::recording("native");
    isolated.manifest.feed = Feed::Isolated;
    let cascaded = made_up::recording("native");
    let shard = |index| Some(Shard { index, of: 2 });
    [1, 2]
        .map(|i| made_up::report(&golden, &isolated, &cascaded, shard(i)))
        .into()
}

/// The report as its file, spoiled, and read again.
fn read_again(report: &Report, spoil: impl Fn(&mut Value)) -> Result<Report, String> {
    let mut value = serde_json::to_value(report).unwrap();
    spoil(&mut value);
    read_text(&value.to_string())
}

fn read_text(text: &str) -> Result<Report, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("report.json");
    std::fs::write(&path, text).unwrap();
    read(&path).map_err(|e| {
        let message = e.to_string();
        assert!(message.contains("report.json"), "{message}");
        message
    })
}

#[test]
fn a_missing_shard_is_a_verdict_of_its_own_everywhere() {
    let mut whole = merge(shards()).unwrap();
    assert_eq!(whole.status(), Exit::Parity);
    whole = read_again(&whole, |_| ()).unwrap();
    assert_eq!((whole.status(), whole.problems()), (Exit::Parity, vec![]));

    let alone = merge(shards().into_iter().take(1).collect()).unwrap();
    let alone = read_again(&alone, |_| ()).unwrap();
    let line = "shard 2 of 2: its report is missing";
    assert_eq!((alone.status(), alone.exit), (Exit::Incomplete, 4));
    assert_eq!(alone.verdict, "incomplete: a part of the run is missing");
    assert_eq!(alone.problems(), [line]);
    let json = serde_json::to_value(&alone).unwrap();
    assert_eq!(json["missing_shards"], json!([{"index": 2, "of": 2}]));
    let page = html(&alone).unwrap();
    assert!(page.contains(line) && page.contains("exit status 4"));
    assert!(!page.contains("class=\"verdict pass\""));
    let xml = junit(&alone).unwrap();
    assert!(xml.contains("<testsuite name=\"the run\" tests=\"1\""));
    assert!(
        xml.contains(&format!("<error message=\"{line}\"/>")),
        "{xml}"
    );
    for detail in [Detail::Quiet, Detail::Normal, Detail::Verbose] {
        let said = anstream::adapter::strip_str(&table(&alone, detail, REST)).to_string();
        assert!(said.contains("INCOMPLETE") && said.contains(line), "{said}");
    }
    assert!(annotations(&alone).contains("::error title=incomplete"));
    assert!(step_summary(&alone).starts_with("## ❌ incomplete"));
    // A failure outweighs what is missing, and stays.
    let mut failed = shards().remove(0);
    failed.cases[0].outcome.stages[0].isolated = None;
    let failed = read_again(&failed, |_| ()).unwrap();
    assert_eq!(merge(vec![failed]).unwrap().status(), Exit::Failed);
}

#[test]
fn shards_that_do_not_belong_together_are_refused_or_incomplete() {
    type Spoil = fn(&mut Vec<Report>);
    let refused: [(Spoil, &str); 14] = [
        (|r| r.clear(), "nothing to merge"),
        (
            |r| r[1] = r[0].clone(),
            "report 2 is of shard 1, which another",
        ),
        (
            |r| r[1].shard = r[0].shard,
            "case first, which belongs to another shard",
        ),
        (|r| r[1].shard = None, "report 2 is not of a shard"),
        (
            |r| r.iter_mut().for_each(|r| r.shard = None),
            "report 1 is not of a shard",
        ),
        (
            |r| r[1].shard = Some(Shard { index: 2, of: 3 }),
            "number of shards",
        ),
        (|r| r[1].golden.model = "x".into(), "golden differs"),
        (|r| r[1].golden_sha256 = Some("0".into()), "golden differs"),
        (
            |r| r[1].parity_version = "9".into(),
            "program version differs",
        ),
        (
            |r| r[1].candidates[0].device = "cuda".into(),
            "candidate differs",
        ),
        (|r| drop(r[1].candidates.pop()), "candidate differs"),
        (|r| r[1].run_cases.reverse(), "list of cases differs"),
        (
            |r| r[1].limits.as_mut().unwrap().sha256 = "0".into(),
            "limits differs",
        ),
        (|r| r[0].limits = None, "does not say by which limits"),
    ];
    let good = shards();
    for (spoil, words) in refused {
        let mut reports = good.clone();
        spoil(&mut reports);
        let message = merge(reports).unwrap_err().to_string();
        assert!(message.contains(words), "{words:?} is not in {message}");
    }
    let mut cut = good;
    cut[1].cases.clear();
    let merged = merge(cut).unwrap();
    assert_eq!(merged.status(), Exit::Incomplete);
    assert_eq!(merged.problems(), ["case first: the report lacks it"]);
}

/// Sets a field wherever it stands.
fn set_all(value: &mut Value, field: &str, new: &Value) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(|v| set_all(v, field, new)),
        Value::Object(object) => {
            if let Some(old) = object.get_mut(field) {
                *old = new.clone();
            }
            object.values_mut().for_each(|v| set_all(v, field, new));
        }
        _ => {}
    }
}

#[test]
fn no_edited_report_is_greener_than_what_it_holds() {
    type Spoil = fn(&mut Value);
    let edited: [(Spoil, Exit); 13] = [
        (|_| (), Exit::Failed),
        (
            |r| {
                r["verdict"] = "parity".into();
                r["exit"] = 0.into();
            },
            Exit::Failed,
        ),
        (
            |r| {
                r["summary"] = json!({
                    "cases": {"pass": 2}, "cells": {"pass": 90}, "goldens_at_fault": 0,
                });
            },
            Exit::Failed,
        ),
        (|r| set_all(r, "verdict", &"pass".into()), Exit::Failed),
        (|r| set_all(r, "verdict", &"skipped".into()), Exit::Failed),
        (
            |r| {
                set_all(r, "verdict", &"pass".into());
                set_all(r, "passed", &true.into());
                set_all(r, "by_floor", &true.into());
                set_all(r, "reason", &"fine".into());
            },
            Exit::Failed,
        ),
        (
            |r| {
                set_all(r, "verdict", &"pass".into());
                set_all(r, "value", &0.into());
            },
            Exit::Failed,
        ),
        (
            |r| {
                set_all(r, "verdict", &"pass".into());
                set_all(r, "checks", &json!([]));
            },
            Exit::Failed,
        ),
        (
            |r| {
                set_all(r, "verdict", &"pass".into());
                set_all(r, "values", &json!([]));
            },
            Exit::Failed,
        ),
        (|r| set_all(r, "stages", &json!([])), Exit::Failed),
        (
            |r| {
                let cell = json!({"verdict": "skipped", "reason": null, "origin": null,
                    "values": []});
                for case in r["cases"].as_array_mut().unwrap() {
                    for stage in case["outcome"]["stages"].as_array_mut().unwrap() {
                        if stage["isolated"]["verdict"] != "pass" {
                            stage["isolated"] = cell.clone();
                        }
                    }
                }
            },
            Exit::Failed,
        ),
        (
            |r| {
                r["cases"].as_array_mut().unwrap().pop();
            },
            Exit::Incomplete,
        ),
        (
            |r| {
                r["cases"][0]["outcome"]["case"] = Value::Null;
                set_all(r, "verdict", &"pass".into());
                r["cases"].as_array_mut().unwrap().pop();
            },
            Exit::Golden,
        ),
    ];
    let report = reporting::with_faults();
    for (at, (spoil, exit)) in edited.into_iter().enumerate() {
        let read = read_again(&report, spoil).unwrap();
        assert_eq!((read.status(), read.exit), (exit, exit.code()), "edit {at}");
        assert_eq!(read.verdict, exit.meaning(), "edit {at}");
        let page = html(&read).unwrap();
        assert!(page.contains("class=\"verdict fail\""), "edit {at}");
    }
    // A golden at fault stays at fault.
    let stale = reporting::report(|isolated| {
        let first = isolated.cases.get_mut("first").unwrap();
        first.case.case.seed += 1;
    });
    assert_eq!(stale.status(), Exit::Golden);
    let hidden = read_again(&stale, |r| set_all(r, "golden_at_fault", &false.into()));
    assert_eq!(hidden.unwrap().status(), Exit::Golden);
}

#[test]
fn a_report_that_is_not_one_is_refused_for_what_is_wrong() {
    type Spoil = fn(&mut Value);
    let refused: [(Spoil, &str); 20] = [
        (|r| r["version"] = 1.into(), "report version 1"),
        (|r| r["version"] = 99.into(), "report version 99"),
        (|r| r["version"] = "4".into(), "expected u64"),
        (|r| r["version"] = (-1).into(), "expected u64"),
        (|r| r["exit"] = 300.into(), "invalid value"),
        (|r| r["exit"] = "0".into(), "expected u8"),
        (
            |r| r["limits"] = Value::Null,
            "does not say by which limits",
        ),
        (|r| r["run_cases"] = json!([]), "does not say which cases"),
        (
            |r| r["run_cases"] = json!(["other"]),
            "case first is not of its run",
        ),
        (|r| r["run_cases"][0] = "../x".into(), "not a case's name"),
        (
            |r| r["cases"][0]["outcome"]["name"] = "<b>".into(),
            "not a case's name",
        ),
        (
            |r| r["cases"][1] = r["cases"][0].clone(),
            "case first is in it twice",
        ),
        (
            |r| r["cases"][0]["outcome"]["case"]["name"] = "second".into(),
            "what it calls case first is another one",
        ),
        (
            |r| r["shard"] = json!({"index": 0, "of": 2}),
            "no shard 0 of 2",
        ),
        (
            |r| r["shard"] = json!({"index": 3, "of": 2}),
            "no shard 3 of 2",
        ),
        (
            |r| r["shard"] = json!({"index": 1, "of": 1e18 as u64}),
            "no shard 1 of 1000000000000000000",
        ),
        (
            |r| {
                let stages = &mut r["cases"][0]["outcome"]["stages"];
                stages[0]["isolated"]["values"][0]["key"] = "prompt.mel".into();
            },
            "prompt.mel is of another stage",
        ),
        (
            |r| set_all(r, "key", &"flow.mel[99999999999999999999999]".into()),
            "unknown stage",
        ),
        (
            |r| set_all(r, "max_abs", &"0.1".into()),
            "expected a number",
        ),
        (|r| set_all(r, "metric", &"magic".into()), "unknown metric"),
    ];
    let report = reporting::with_faults();
    for (spoil, words) in refused {
        let message = read_again(&report, spoil).unwrap_err();
        assert!(message.contains(words), "{words:?} is not in {message}");
    }
    let good = serde_json::to_string(&report).unwrap();
    let huge = good.replacen("\"exit\":2", "\"exit\":1e999", 1);
    let deep = "[".repeat(100_000);
    let twice = good.replacen('{', "{\"exit\":0,", 1);
    for (text, words) in [
        (&good[..good.len() / 2], "EOF"),
        (&*huge, "number out of range"),
        (&*deep, "expected"),
        (&*twice, "duplicate field `exit`"),
        ("", "EOF"),
        ("null", "expected"),
        ("{}", "missing field `version`"),
        ("{\"version\": 4}", "missing field"),
    ] {
        let message = read_text(text).unwrap_err();
        assert!(message.contains(words), "{words:?} is not in {message}");
    }
}

#[test]
fn numbers_that_no_run_writes_do_not_stop_a_renderer() {
    let report = reporting::with_faults();
    let huge = read_again(&report, |r| {
        for field in [
            "width",
            "height",
            "start",
            "samples",
            "reference_samples",
            "len",
        ] {
            set_all(r, field, &u64::MAX.into());
        }
        set_all(r, "rate", &0.into());
        set_all(r, "kl", &json!([[i64::MAX, "NaN"], [i64::MIN, 1e30]]));
        set_all(r, "error_over_time", &json!([]));
        r["text_corpus"] = json!({
            "lines": 1, "compared": 9, "agreed": 9, "differing": 0, "examples": [],
            "reference_failures": {}, "failures": [], "settings": [],
        });
    });
    let report = huge.unwrap();
    html(&report).unwrap();
    junit(&report).unwrap();
    table(&report, Detail::Verbose, REST);
    step_summary(&report);
}

#[test]
fn no_text_of_a_report_becomes_markup_or_steers_the_terminal() {
    const EVIL: &str = "\"><script>alert('1')</script>\u{1b}[2J\u{7}\n::error::x|]]>&";
    let mut report = reporting::with_faults();
    let evil = || EVIL.to_owned();
    report.made_at = evil();
    report.parity_version = evil();
    report.not_covered.push(evil());
    report.golden.commit = Some(evil());
    report.golden.libraries.insert(evil(), evil());
    report.golden.recorded_at = evil();
    report.candidates[0].engine = evil();
    report.candidates[0].version = evil();
    report.candidates[0].device = evil();
    report.metrics[0].label = evil();
    report.metrics[0].meaning = evil();
    report.stages[0].description = evil();
    report.run_cases.push(evil());
    let case = &mut report.cases[0];
    case.reproduce = evil();
    case.outcome.name = evil();
    case.outcome.problem = Some(evil());
    for stage in &mut case.outcome.stages {
        for cell in [&mut stage.isolated, &mut stage.cascaded]
            .into_iter()
            .flatten()
        {
            cell.reason = Some(evil());
            for value in &mut cell.values {
                value.reason = Some(evil());
                value.checks.iter_mut().for_each(|c| c.reason = evil());
            }
        }
    }
    let page = html(&report).unwrap();
    assert!(!page.contains("<script>alert"), "markup went into the page");
    assert!(page.contains("&lt;script&gt;alert"));
    let xml = junit(&report).unwrap();
    assert!(!xml.contains("<script") && !xml.contains('\u{1b}') && !xml.contains('\u{7}'));
    for detail in [Detail::Quiet, Detail::Normal, Detail::Verbose] {
        let said = table(&report, detail, REST);
        assert!(
            !said.contains("\u{1b}[2J") && !said.contains('\u{7}'),
            "{said:?}"
        );
    }
    let commands = annotations(&report);
    for line in commands.lines() {
        assert!(line.starts_with("::error title="), "{line}");
    }
    assert!(!step_summary(&report).contains("<script"));
}
