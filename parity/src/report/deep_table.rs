use std::fmt::Write as _;

use super::folders_table::shown;
use crate::deep::{DeepReport, Look, Tapped};
use crate::judge::Verdict;

/// Every point of every network in the order of computation, and the first that departs.
pub fn deep_table(report: &DeepReport) -> String {
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

fn row(out: &mut String, tap: &Tapped, width: usize) {
    let name = tap.key.to_string();
    let error = shown(tap.nmse_db.map(|v| v.0));
    let multiple = shown(tap.multiple.map(|v| v.0));
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

fn conclusion(look: &Look) -> String {
    match &look.first {
        Some(key) => format!("first departs at: {key}"),
        None => format!("no point of the {} departs", look.part),
    }
}
