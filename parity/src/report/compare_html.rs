use minijinja::{Environment, context};
use serde::Serialize;

use super::compare::Comparison;
use super::folders::FolderComparison;
use super::folders_table::{OVERVIEW, shown};
use super::format::{number, unit};
use super::html::STYLE;
use super::json::MetricInfo;
use super::view;

const PAGE: &str = include_str!("templates/compare.html");
const PARTS: &str = include_str!("templates/compare_parts.html");

/// Two sound files beside each other, as one self-contained page.
///
/// # Errors
/// If the template fails, which would be a bug.
pub fn comparison_html(comparison: &Comparison) -> Result<String, String> {
    let (r, c) = (&comparison.reference.file, &comparison.candidate.file);
    let metrics: Vec<_> = comparison.metrics.iter().map(view::metric).collect();
    render(context! {
        title => format!("{r} and {c}"),
        comparisons => [one(comparison)],
        metrics,
    })
}

/// The pairs of two folders, an overview first, as one self-contained page.
///
/// # Errors
/// If the template fails, which would be a bug.
pub fn folders_html(compared: &FolderComparison) -> Result<String, String> {
    let rows: Vec<_> = compared
        .pairs
        .iter()
        .map(|pair| {
            let value = |metric| shown(pair.diff.measures.get(&metric).map(|v| v.0));
            context! { name => pair.reference.file, values => OVERVIEW.map(value).to_vec() }
        })
        .collect();
    let head = |&metric| view::metric(&MetricInfo::of(metric));
    let heads: Vec<_> = OVERVIEW.iter().map(head).collect();
    let mut used: Vec<_> = compared.pairs.iter().flat_map(|p| &p.metrics).collect();
    used.sort_by_key(|info| info.metric);
    used.dedup_by_key(|info| info.metric);
    let metrics: Vec<_> = used.into_iter().map(view::metric).collect();
    let comparisons: Vec<_> = compared.pairs.iter().map(one).collect();
    render(context! {
        title => format!("{} pairs of sounds", compared.pairs.len()),
        overview => context! { heads, rows },
        unpaired => compared.unpaired,
        unreadable => compared.unreadable,
        comparisons,
        metrics,
    })
}

fn one(comparison: &Comparison) -> minijinja::Value {
    let rows: Vec<_> = comparison
        .metrics
        .iter()
        .map(|info| {
            let value = comparison.diff.measures.get(&info.metric);
            let value = value.map_or(f64::NAN, |v| v.0);
            let value = format!("{}{}", number(value), unit(info.metric));
            context! { about => view::metric(info), value }
        })
        .collect();
    let sounds: Vec<_> = comparison.sounds.iter().filter_map(view::sound).collect();
    let levels = view::levels(&comparison.diff);
    context! { of => comparison, rows, sounds, levels }
}

fn render(context: impl Serialize) -> Result<String, String> {
    let mut environment = Environment::new();
    // Templates whose name ends in .html escape everything that is put into them.
    for (name, template) in [("compare.html", PAGE), ("compare_parts.html", PARTS)] {
        environment
            .add_template(name, template)
            .map_err(|e| e.to_string())?;
    }
    let style = minijinja::Value::from_safe_string(STYLE.to_owned());
    environment.add_global("style", style);
    let page = environment
        .get_template("compare.html")
        .map_err(|e| e.to_string())?;
    page.render(context).map_err(|e| format!("{e:#}"))
}
