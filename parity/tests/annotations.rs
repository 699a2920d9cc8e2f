//! Annotations and the summary for GitHub.

use parity::report::{annotations, step_summary};

use crate::reporting;

#[test]
fn the_error_that_was_introduced_is_the_first_of_a_few_annotations() {
    let report = reporting::with_faults();
    let lines: Vec<String> = annotations(&report).lines().map(str::to_owned).collect();
    assert!((1..=5).contains(&lines.len()), "{lines:?}");
    let first = "::error title=second%3A text.normalized isolated::text.normalized: ";
    assert!(lines[0].starts_with(first), "{}", lines[0]);
    let (gap, failures) = lines.split_last().unwrap();
    assert_eq!(
        gap,
        "::error title=missing::vocoder.f0 isolated: not recorded in 1 of 2 cases"
    );
    assert!(
        failures
            .iter()
            .all(|l| l.starts_with("::error title=second%3A ")),
        "{lines:?}"
    );
    assert_eq!(annotations(&reporting::report(|_| ())), "");
}

#[test]
fn the_summary_is_a_table_that_no_text_breaks_out_of() {
    let mut report = reporting::with_faults();
    report.cases[0].outcome.problem = Some("a | b\n<script>".into());
    let summary = step_summary(&report);
    assert!(summary.starts_with("## ❌ parity failed\n"), "{summary}");
    assert!(
        summary.contains("| first | | pass | a \\| b &lt;script> |\n"),
        "{summary}"
    );
    assert!(
        summary.contains("| llm.tokens | fail 1/2 | 2/2 |\n"),
        "{summary}"
    );
    assert!(
        summary.contains("| second | llm.tokens isolated | fail, introduced here | "),
        "{summary}"
    );
    assert!(
        summary.contains("| | | missing | vocoder.f0 isolated: not recorded in 1 of 2 cases |\n"),
        "{summary}"
    );
    let good = step_summary(&reporting::report(|_| ()));
    assert!(
        good.starts_with("## ✅ parity\n") && !good.contains("Not in parity"),
        "{good}"
    );
}
