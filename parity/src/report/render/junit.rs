use minijinja::{Environment, context};
use serde::Serialize;

use crate::judge::{CaseOutcome, Verdict, explain};
use crate::report::model::Report;

const TEMPLATE: &str = include_str!("templates/junit.xml");

#[derive(Serialize)]
struct Suite {
    name: String,
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
    let cases = report.cases.iter().map(|c| suite(&c.outcome));
    let suites: Vec<_> = whole(report).into_iter().chain(cases).collect();
    let mut environment = Environment::new();
    environment
        .add_template("junit.xml", TEMPLATE)
        .map_err(|e| e.to_string())?;
    let template = environment
        .get_template("junit.xml")
        .map_err(|e| e.to_string())?;
    template
        .render(context! { suites, made_at => xml_text(&report.made_at) })
        .map_err(|e| e.to_string())
}

/// What is wrong with the run as a whole, if anything is.
fn whole(report: &Report) -> Option<Suite> {
    let test = |problem: String| Test {
        name: report.status().meaning().to_owned(),
        result: "error",
        message: xml_text(&problem),
    };
    let tests: Vec<_> = report.problems().into_iter().map(test).collect();
    (!tests.is_empty()).then(|| Suite::of("the run", tests))
}

fn suite(outcome: &CaseOutcome) -> Suite {
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
    Suite::of(&outcome.name, tests)
}

impl Suite {
    fn of(name: &str, tests: Vec<Test>) -> Self {
        let count = |result| tests.iter().filter(|t| t.result == result).count();
        Self {
            name: xml_text(name),
            failures: count("failure"),
            errors: count("error"),
            skipped: count("skipped"),
            tests,
        }
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

/// Drops the characters that XML 1.0 cannot hold.
fn xml_text(text: &str) -> String {
    let held = |c: &char| match c {
        '\t' | '\n' => true,
        '\u{fffe}' | '\u{ffff}' => false,
        c => !c.is_control(),
    };
    text.chars().filter(held).collect()
}
