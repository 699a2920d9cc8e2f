use minijinja::{Environment, context};
use serde::Serialize;

use super::deep_table::deep_view;
use super::json::Report;
use super::view;

const REPORT: &str = include_str!("templates/report.html");
pub(super) const STYLE: &str = include_str!("templates/style.css");

/// The report as one self-contained page.
///
/// # Errors
/// If the template fails, which would be a bug.
pub fn html(report: &Report) -> Result<String, String> {
    let matrix = view::matrix(report);
    let cases: Vec<_> = report.cases.iter().map(|c| view::case(report, c)).collect();
    let metrics: Vec<_> = report.metrics.iter().map(view::metric).collect();
    let candidates = &report.candidates;
    render(
        "report.html",
        REPORT,
        context! {
            report,
            candidates,
            matrix,
            cases,
            metrics,
            deep => deep_view(report),
            parity => report.is_parity(),
        },
    )
}

fn render(name: &str, template: &str, context: impl Serialize) -> Result<String, String> {
    let mut environment = Environment::new();
    // Templates whose name ends in .html escape everything that is put into them.
    environment
        .add_template(name, template)
        .map_err(|e| e.to_string())?;
    environment.add_global(
        "style",
        minijinja::Value::from_safe_string(STYLE.to_owned()),
    );
    let template = environment.get_template(name).map_err(|e| e.to_string())?;
    template.render(context).map_err(|e| format!("{e:#}"))
}
