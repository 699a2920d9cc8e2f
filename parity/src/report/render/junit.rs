use minijinja::{Environment, context};
use serde::Serialize;

use crate::judge::{Cell, Origin, Verdict, explain};
use crate::report::model::{CaseReport, Report};

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
    /// Several lines: what is wrong, where it comes from, how to run it again.
    body: String,
}

/// The report as JUnit XML: a suite for each case, a test for each stage and feed.
///
/// # Errors
/// If the template fails, which would be a bug.
pub fn junit(report: &Report) -> Result<String, String> {
    let cases = report.cases.iter().map(suite);
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
        body: String::new(),
    };
    let tests: Vec<_> = report.problems().into_iter().map(test).collect();
    (!tests.is_empty()).then(|| Suite::of("the run", tests))
}

fn suite(case: &CaseReport) -> Suite {
    let outcome = &case.outcome;
    let mut tests: Vec<Test> = Vec::new();
    for stage in &outcome.stages {
        for (feed, cell) in stage.cells() {
            tests.push(Test {
                name: format!("{} {}", stage.stage, feed.name()),
                result: result(cell.verdict),
                message: xml_text(&explain(cell)),
                body: body(case, Some(cell)),
            });
        }
    }
    if let Some(problem) = &outcome.problem {
        // A stale golden that is judged all the same has the verdict of its stages.
        let verdict = match outcome.stages.is_empty() {
            true => outcome.verdict,
            false => Verdict::Stale,
        };
        tests.push(Test {
            name: format!("golden is {}", verdict.name()),
            result: result(verdict),
            message: xml_text(problem),
            body: body(case, None),
        });
    }
    Suite::of(&outcome.name, tests)
}

/// What a failure of a case says beyond its message.
fn body(case: &CaseReport, cell: Option<&Cell>) -> String {
    let mut lines: Vec<String> = Vec::new();
    if let Some(cell) = cell {
        lines.extend(explain(cell).split(" | ").map(str::to_owned));
        lines.extend(cell.origin.map(|origin| match origin {
            Origin::Introduced => "this stage introduced the error".to_owned(),
            Origin::Inherited => "an earlier stage introduced the error".to_owned(),
        }));
    }
    lines.push(format!("again: {}", case.reproduce));
    xml_text(&lines.join("\n"))
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
