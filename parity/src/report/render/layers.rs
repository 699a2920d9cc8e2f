use std::fmt::Write as _;

use minijinja::context;

use crate::format::measured;
use crate::judge::Verdict;
use crate::layers::{LayerOutcome, LayerReport, NetworkLayers};
use crate::metric::Value;
use crate::report::model::Report;

/// Every point of every network in the order of computation, and the first that departs.
pub fn layers_table(report: &LayerReport) -> String {
    let mut out = String::new();
    for note in &report.notes {
        let _ = writeln!(out, "note: {note}");
    }
    for look in &report.looks {
        let _ = writeln!(out, "inside the {} of {}:", look.part, look.case);
        let width = look.taps.iter().map(|t| t.key.to_string().len()).max();
        for tap in &look.taps {
            row(&mut out, tap, width.unwrap_or(0));
        }
        let _ = writeln!(out, "{}\n", conclusion(look));
    }
    out
}

/// The same for the page.
pub(super) fn layers_view(report: &Report) -> Option<minijinja::Value> {
    let deep = report.deep.as_ref()?;
    let row = |tap: &LayerOutcome| {
        let number = |value: Option<Value>| measured(value.map(|v| v.0));
        context! {
            key => tap.key.to_string(),
            error => number(tap.nmse_db),
            multiple => number(tap.multiple),
            limit => number(tap.limit),
            verdict => tap.verdict.name(),
            reason => tap.reason,
        }
    };
    let look = |look: &NetworkLayers| {
        context! {
            part => look.part.name(),
            case => look.case,
            first => look.first.as_ref().map(ToString::to_string),
            rows => look.taps.iter().map(row).collect::<Vec<_>>(),
        }
    };
    let looks: Vec<_> = deep.looks.iter().map(look).collect();
    Some(context! { notes => deep.notes, looks })
}

fn row(out: &mut String, tap: &LayerOutcome, width: usize) {
    let name = tap.key.to_string();
    let error = measured(tap.nmse_db.map(|v| v.0));
    let multiple = measured(tap.multiple.map(|v| v.0));
    let verdict = match tap.verdict {
        Verdict::Pass => "",
        verdict => verdict.name(),
    };
    let line = format!("  {name:width$} {error:>8} dB {multiple:>9}x  {verdict}");
    out.push_str(line.trim_end());
    if let Some(reason) = &tap.reason {
        let _ = write!(out, ": {reason}");
    }
    out.push('\n');
}

fn conclusion(look: &NetworkLayers) -> String {
    match &look.first {
        Some(key) => format!("first departs at: {key}"),
        None => format!("no point of the {} departs", look.part),
    }
}
