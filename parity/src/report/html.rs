use minijinja::{Environment, context};
use serde::Serialize;

use super::compare::Comparison;
use super::format::{number, unit};
use super::json::Report;
use super::view;

const REPORT: &str = include_str!("templates/report.html");
const COMPARE: &str = include_str!("templates/compare.html");
const STYLE: &str = include_str!("templates/style.css");

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
        context! { report, candidates, matrix, cases, metrics, parity => report.is_parity() },
    )
}

/// Two sound files beside each other, as one self-contained page.
///
/// # Errors
/// If the template fails, which would be a bug.
pub fn comparison_html(comparison: &Comparison) -> Result<String, String> {
    let rows: Vec<_> = comparison
        .metrics
        .iter()
        .map(|info| {
            let value = comparison
                .diff
                .measures
                .get(&info.metric)
                .map_or(f64::NAN, |v| v.0);
            let value = format!("{}{}", number(value), unit(info.metric));
            context! { label => info.label, meaning => info.meaning, value }
        })
        .collect();
    let sounds: Vec<_> = comparison.sounds.iter().filter_map(view::sound).collect();
    let levels: Vec<_> = view::levels(&comparison.diff);
    render(
        "compare.html",
        COMPARE,
        context! { comparison, rows, sounds, levels },
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
