//! Judgements in words: why a cell is not green, and how close a check is to its limit.

use super::outcome::{Cell, Check, Verdict};
use crate::format::{number, unit};
use crate::metric::Value;

/// Why a cell did not pass: its reasons, and the limits that it breaks.
pub fn explain(cell: &Cell) -> String {
    let mut reasons: Vec<String> = cell.reason.iter().cloned().collect();
    for value in cell.values.iter().filter(|v| v.verdict != Verdict::Pass) {
        let failed = value
            .checks
            .iter()
            .filter(|c| !c.passed && c.value.is_some());
        let failed = failed.map(|c| {
            let (limit, word) = match (c.at_most, c.at_least) {
                (Some(limit), _) => (limit, "at most"),
                (None, limit) => (limit.unwrap_or(Value(f64::NAN)), "at least"),
            };
            let found = c.value.map_or(f64::NAN, |v| v.0);
            let unit = unit(c.metric);
            let label = c.metric.definition().label;
            format!(
                "{label} is {}{unit}, {word} {}{unit}",
                number(found),
                number(limit.0)
            )
        });
        let unmeasured = value.unmeasured_noise.map(|db| {
            let db = number(db.0);
            format!("the reference's noise could not be measured, being {db} dB of the signal")
        });
        let reason = value.reason.iter().cloned();
        let why: Vec<_> = reason.chain(unmeasured).chain(failed).collect();
        reasons.push(format!("{}: {}", value.key, why.join("; ")));
    }
    reasons.join(" | ")
}

/// The check that is closest to its limit. Failed checks come before passed ones, checks with a
/// margin before exact ones, and of exact ones the worst first.
pub fn closest_to_limit<'a>(checks: impl Iterator<Item = &'a Check>) -> Option<&'a Check> {
    let order = |c: &Check| (c.passed, c.by_floor, is_exact(c), margin(c));
    checks.filter(|c| c.value.is_some()).min_by(|a, b| {
        let (x, y) = (order(a), order(b));
        (x.0, x.1, x.2)
            .cmp(&(y.0, y.1, y.2))
            .then(x.3.total_cmp(&y.3))
            .then_with(|| excess(b).total_cmp(&excess(a)))
    })
}

/// By how much a value is above the largest allowed, 0 if it is not.
fn excess(check: &Check) -> f64 {
    let (value, limit) = (check.value.map(|v| v.0), check.at_most.map(|l| l.0));
    value.zip(limit).map_or(0.0, |(v, l)| (v - l).max(0.0))
}

/// Whether a check demands equality, so that it has no margin.
pub fn is_exact(check: &Check) -> bool {
    check.at_most.is_some_and(|l| l.0 == 0.0)
}

/// The share of a limit that is left, which makes limits of different units comparable.
pub fn margin(check: &Check) -> f64 {
    let value = check.value.map_or(f64::NAN, |v| v.0);
    let margins = [
        check.at_most.map(|l| (l.0 - value) / l.0.abs()),
        check.at_least.map(|l| (value - l.0) / l.0.abs()),
    ];
    let least = margins.into_iter().flatten().fold(f64::INFINITY, f64::min);
    if value.is_nan() {
        f64::NEG_INFINITY
    } else {
        least
    }
}

/// A check in a few words: `SNR 71.2, at least 60 dB`.
pub fn held_to_limit(check: &Check) -> String {
    let limit = check.at_most.or(check.at_least).map_or(f64::NAN, |l| l.0);
    let side = match check.at_most {
        Some(_) => "at most",
        None => "at least",
    };
    let value = check.value.map_or(f64::NAN, |v| v.0);
    let definition = check.metric.definition();
    let unit = if matches!(definition.unit, "dB" | "x") {
        unit(check.metric)
    } else {
        String::new()
    };
    format!(
        "{} {}, {side} {}{unit}",
        definition.label,
        number(value),
        number(limit)
    )
}
