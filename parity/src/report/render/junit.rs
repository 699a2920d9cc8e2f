use minijinja::{Environment, context};
use serde::Serialize;

use crate::judge::{CaseOutcome, Verdict, explain};
use crate::report::model::Report;

const TEMPLATE: &str = include_str!("templates/junit.xml");

#[derive(Serialize)]
struct Suite<'a> {
    name: &'a str,
    tests: Vec<Test>,
    failures: usize,
    errors: usize,
    skipped: usize,
}

#[derive(Serialize)]
struct Test {
    name: String,
    /// `pass`, `failure`, `error` or `skipped`.
    result: &'static str,
    message: String,
}

/// The report as JUnit XML: a suite for each case, a test for each stage and feed.
///
/// # Errors
/// If the template fails, which would be a bug.
pub fn junit(report: &Report) -> Result<String, String> {
    let suites: Vec<_> = report.cases.iter().map(|c| suite(&c.outcome)).collect();
    let mut environment = Environment::new();
    environment
        .add_template("junit.xml", TEMPLATE)
        .map_err(|e| e.to_string())?;
    let template = environment
        .get_template("junit.xml")
        .map_err(|e| e.to_string())?;
    template
        .render(context! { suites, made_at => report.made_at })
        .map_err(|e| e.to_string())
}

fn suite(outcome: &CaseOutcome) -> Suite<'_> {
    let mut tests: Vec<Test> = Vec::new();
    for stage in &outcome.stages {
        for (feed, cell) in stage.cells() {
            tests.push(Test {
                name: format!("{} {}", stage.stage, feed.name()),
                result: result(cell.verdict),
                message: xml_text(&explain(cell)),
            });
        }
    }
    if let Some(problem) = &outcome.problem {
        let name = format!("golden is {}", outcome.verdict.name());
        tests.push(Test {
            name,
            result: result(outcome.verdict),
            message: xml_text(problem),
        });
    }
    let count = |result| tests.iter().filter(|t| t.result == result).count();
    Suite {
        name: &outcome.name,
        failures: count("failure"),
        errors: count("error"),
        skipped: count("skipped"),
        tests,
    }
}

fn result(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Skipped => "skipped",
        Verdict::Fail | Verdict::Missing => "failure",
        Verdict::Stale | Verdict::Damaged => "error",
    }
}

/// Drops the control characters that XML 1.0 cannot hold.
fn xml_text(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control() || matches!(c, '\t' | '\n'))
        .collect()
}
