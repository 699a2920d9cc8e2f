use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use minijinja::{Environment, Value, context};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::layers::layers_view;
use super::view;
use crate::report::WRONG_SAMPLER_PAGE;
use crate::report::model::Report;

const TEMPLATES: [(&str, &str); 8] = [
    ("report.html", include_str!("templates/report.html")),
    ("case.html", include_str!("templates/case.html")),
    ("compare.html", include_str!("templates/compare.html")),
    (
        "compare_parts.html",
        include_str!("templates/compare_parts.html"),
    ),
    ("parts.html", include_str!("templates/parts.html")),
    ("samples.html", include_str!("templates/samples.html")),
    ("scoreboard.html", include_str!("templates/scoreboard.html")),
    (
        "wrong_sampler.html",
        include_str!("templates/wrong_sampler.html"),
    ),
];
const STYLE: &str = include_str!("templates/style.css");
const PAGE_SCRIPT: &str = include_str!("templates/page.js");
pub(in crate::report) const SOUND_SCRIPT: &str = include_str!("templates/sound.js");

/// The report as a self-contained page.
///
/// # Errors
/// If the template fails, which would be a bug.
pub fn html(report: &Report) -> Result<String, String> {
    page(report, None)
}

/// The page that will lie in the folder `beside`, with links to what is there: the page of the wrong
/// samplers, and files of tensors.
pub(super) fn page(report: &Report, beside: Option<&Path>) -> Result<String, String> {
    let wrong_sampler = beside
        .filter(|dir| dir.join(WRONG_SAMPLER_PAGE).is_file())
        .map(|_| WRONG_SAMPLER_PAGE);
    let glossary = view::Glossary::of(report);
    let matrix = view::matrix(report);
    let overview = view::overview(report);
    let cases: Vec<_> = report
        .cases
        .iter()
        .map(|c| view::case(report, &glossary, c, beside))
        .collect();
    let candidates = &report.candidates;
    // The name of the candidate on the page.
    let them = candidates.first().map_or("candidate", |c| &c.engine);
    render(
        "report.html",
        &[PAGE_SCRIPT, SOUND_SCRIPT],
        context! {
            report, candidates, them, matrix, overview, cases, glossary,
            headline => view::headline(report),
            headroom => view::headroom(report),
            layers => layers_view(report),
            parity => report.is_parity(),
            verdict => report.status().meaning(),
            problems => report.problems(),
            wrong_sampler,
            draws => report.draws.as_ref().map(view::draws),
        },
    )
}

/// Fills a template. The page's content security policy forbids every request, and every script
/// except those whose hashes it lists.
pub(in crate::report) fn render(
    name: &str,
    scripts: &[&str],
    context: impl Serialize,
) -> Result<String, String> {
    let mut environment = Environment::new();
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    // minijinja escapes every value in templates whose name ends in .html.
    for (name, template) in TEMPLATES {
        environment
            .add_template(name, template)
            .map_err(|e| e.to_string())?;
    }
    let hash = |script: &&str| format!("'sha256-{}'", BASE64.encode(Sha256::digest(script)));
    let hashes: Vec<_> = scripts.iter().map(hash).collect();
    let safe = |text: &str| Value::from_safe_string(text.to_owned());
    environment.add_global("style", safe(STYLE));
    environment.add_global(
        "scripts",
        scripts.iter().map(|s| safe(s)).collect::<Vec<_>>(),
    );
    environment.add_global("script_hashes", safe(&hashes.join(" ")));
    let template = environment.get_template(name).map_err(|e| e.to_string())?;
    template.render(context).map_err(|e| format!("{e:#}"))
}
