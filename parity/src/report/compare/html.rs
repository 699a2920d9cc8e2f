use minijinja::context;
use serde::Serialize;

use super::folders::FolderComparison;
use super::sound_comparison::SoundComparison;
use super::terminal::OVERVIEW;
use crate::format::{measured, number, unit};
use crate::report::model::MetricInfo;
use crate::report::render::{self, Clock, definition, f0, levels, mel, player};

/// Two sound files side by side, as a self-contained page.
///
/// # Errors
/// If the template fails, which would be a bug.
pub fn comparison_html(comparison: &SoundComparison) -> Result<String, String> {
    let (r, c) = (&comparison.reference.file, &comparison.candidate.file);
    let metrics: Vec<_> = comparison.metrics.iter().map(definition).collect();
    render(context! {
        title => format!("{r} and {c}"),
        comparisons => [one(comparison)],
        metrics,
    })
}

/// The pairs of two folders after an overview, as a self-contained page.
///
/// # Errors
/// If the template fails, which would be a bug.
pub fn folders_html(compared: &FolderComparison) -> Result<String, String> {
    let rows: Vec<_> = compared
        .pairs
        .iter()
        .map(|pair| {
            let value = |metric| measured(pair.diff.measures.get(&metric).map(|v| v.0));
            context! { name => pair.reference.file, values => OVERVIEW.map(value).to_vec() }
        })
        .collect();
    let head = |&metric| definition(&MetricInfo::of(metric));
    let heads: Vec<_> = OVERVIEW.iter().map(head).collect();
    let mut used: Vec<_> = compared.pairs.iter().flat_map(|p| &p.metrics).collect();
    used.sort_by_key(|info| info.metric);
    used.dedup_by_key(|info| info.metric);
    let metrics: Vec<_> = used.into_iter().map(definition).collect();
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

fn one(comparison: &SoundComparison) -> minijinja::Value {
    let rows: Vec<_> = comparison
        .metrics
        .iter()
        .map(|info| {
            let value = comparison.diff.measures.get(&info.metric);
            let value = value.map_or(f64::NAN, |v| v.0);
            let value = format!("{}{}", number(value), unit(info.metric));
            context! { about => definition(info), value }
        })
        .collect();
    let player = comparison.sound.as_ref().and_then(player);
    let levels = levels(&comparison.diff);
    let start = comparison
        .sound
        .as_ref()
        .map_or(0.0, |s| s.start as f64 / f64::from(s.rate.max(1)));
    let mut clock = Clock::from(start, 1.0);
    let picture = comparison.mel.as_ref();
    let mel = picture.and_then(|m| mel(m, &mut clock, "the candidate"));
    let contour = comparison.f0.as_ref();
    let f0 = contour.and_then(|c| f0(std::slice::from_ref(c)));
    context! { of => comparison, rows, player, levels, mel, f0 }
}

fn render(context: impl Serialize) -> Result<String, String> {
    render::render("compare.html", &[render::SOUND_SCRIPT], context)
}
