use std::collections::BTreeSet;

use serde::Serialize;

use super::glossary::Glossary;
use super::mark::Mark;
use crate::format::{number, unit};
use crate::judge::{Cell, Check, Detail, Origin, StageOutcome, ValueOutcome, Verdict};
use crate::metric::{Metric, Value};
use crate::report::model::Report;
use crate::stage::{Feed, Key};

/// A stage of a case under both feeds.
#[derive(Serialize)]
pub(super) struct Stage {
    name: String,
    description: String,
    fed: String,
    isolated: Mark,
    cascaded: Mark,
    /// Why, if no limit explains the verdict.
    reasons: Vec<String>,
    first: bool,
    open: bool,
    values: Vec<ValueView>,
}

#[derive(Serialize)]
struct ValueView {
    key: String,
    reasons: Vec<String>,
    limited: Vec<Row>,
    measured: Vec<Row>,
    curves: Vec<Sparkline>,
}

/// A metric under both feeds.
#[derive(Serialize)]
struct Row {
    metric: String,
    label: &'static str,
    isolated: Option<Measured>,
    cascaded: Option<Measured>,
}

#[derive(Serialize)]
struct Measured {
    mark: Option<Mark>,
    value: String,
    limit: String,
    /// The number of the limit's reason in the glossary.
    reason: usize,
    headroom: String,
}

/// A small curve over time, in a box of 240 × 32.
#[derive(Serialize)]
struct Sparkline {
    words: String,
    points: String,
}

pub(super) fn stage(report: &Report, glossary: &Glossary, stage: &StageOutcome) -> Stage {
    let info = report.stages.iter().find(|i| i.stage == stage.stage);
    let mark = |feed| {
        let cell = stage.cell(feed);
        cell.map_or_else(Mark::none, |c| Mark::of(c.verdict, c.origin))
    };
    let reason =
        |(feed, c): (Feed, &Cell)| c.reason.as_ref().map(|r| format!("{}: {r}", feed.name()));
    let keys: BTreeSet<&Key> = stage
        .cells()
        .flat_map(|(_, c)| &c.values)
        .map(|v| &v.key)
        .collect();
    Stage {
        name: stage.stage.to_string(),
        description: info.map(|i| i.description.clone()).unwrap_or_default(),
        fed: info.map(|i| i.isolated_input.clone()).unwrap_or_default(),
        isolated: mark(Feed::Isolated),
        cascaded: mark(Feed::Cascaded),
        reasons: stage.cells().filter_map(reason).collect(),
        first: false,
        open: stage
            .cells()
            .any(|(_, c)| c.verdict == Verdict::Fail && c.origin != Some(Origin::Inherited)),
        values: keys
            .into_iter()
            .map(|key| value(glossary, stage, key))
            .collect(),
    }
}

fn value(glossary: &Glossary, stage: &StageOutcome, key: &Key) -> ValueView {
    let side = |feed| {
        let cell = stage.cell(feed);
        cell.and_then(|c| c.values.iter().find(|v| v.key == *key))
    };
    let sides = [
        (Feed::Isolated, side(Feed::Isolated)),
        (Feed::Cascaded, side(Feed::Cascaded)),
    ];
    let there = || sides.iter().filter_map(|(feed, v)| v.map(|v| (*feed, v)));
    let limited: BTreeSet<Metric> = there()
        .flat_map(|(_, v)| &v.checks)
        .map(|c| c.metric)
        .collect();
    let measured: BTreeSet<Metric> = there()
        .flat_map(|(_, v)| v.measures.keys().copied())
        .collect();
    let row = |metric: &Metric| Row {
        metric: metric.to_string(),
        label: metric.definition().label,
        isolated: sides[0].1.and_then(|v| measured_in(glossary, v, *metric)),
        cascaded: sides[1].1.and_then(|v| measured_in(glossary, v, *metric)),
    };
    let reason = |(feed, v): (Feed, &ValueOutcome)| {
        v.reason.as_ref().map(|r| format!("{}: {r}", feed.name()))
    };
    let curve = |(feed, v): (Feed, &ValueOutcome)| match v.detail.as_ref()? {
        Detail::Tensor(t) if v.verdict != Verdict::Pass => sparkline(
            &format!("{}: RMS error along time", feed.name()),
            &t.error_over_time,
        ),
        _ => None,
    };
    ValueView {
        key: key.to_string(),
        reasons: there().filter_map(reason).collect(),
        limited: limited.iter().map(row).collect(),
        measured: measured.difference(&limited).map(row).collect(),
        curves: there().filter_map(curve).collect(),
    }
}

fn measured_in(glossary: &Glossary, value: &ValueOutcome, metric: Metric) -> Option<Measured> {
    if let Some(check) = value.checks.iter().find(|c| c.metric == metric) {
        return Some(limited(glossary, check));
    }
    let measured = value.measures.get(&metric)?;
    Some(Measured {
        mark: None,
        value: format!("{}{}", number(measured.0), unit(metric)),
        limit: String::new(),
        reason: 0,
        headroom: String::new(),
    })
}

fn limited(glossary: &Glossary, check: &Check) -> Measured {
    let definition = check.metric.definition();
    let unit = unit(check.metric);
    let bound = |word: &str, l: Option<Value>| l.map(|l| format!("{word} {}{unit}", number(l.0)));
    let bounds = [bound("≤", check.at_most), bound("≥", check.at_least)];
    let headroom = check
        .headroom
        .map_or_else(String::new, |h| match definition.unit {
            "dB" => format!("{} dB", number(h.0)),
            _ => format!("{} %", number((h.0 * 1000.0).round() / 10.0)),
        });
    let exact = check.at_most.is_some_and(|l| l.0 == 0.0);
    let verdict = if check.passed {
        Verdict::Pass
    } else {
        Verdict::Fail
    };
    Measured {
        mark: Some(Mark::of(verdict, None)),
        value: check
            .value
            .map_or("not measured".into(), |v| format!("{}{unit}", number(v.0))),
        limit: bounds.into_iter().flatten().collect::<Vec<_>>().join(", "),
        reason: glossary.reason(&check.reason),
        headroom: match (check.by_floor, exact) {
            (true, _) => "below the floor".into(),
            (false, true) => "exact".into(),
            (false, false) => headroom,
        },
    }
}

/// A polyline scaled from zero at the bottom to the largest value.
fn sparkline(what: &str, values: &[f32]) -> Option<Sparkline> {
    let most = values
        .iter()
        .copied()
        .filter(|v| v.is_finite())
        .reduce(f32::max)?;
    if values.len() < 2 {
        return None;
    }
    let scale = if most > 0.0 { 30.0 / most } else { 0.0 };
    let point = |(i, &v): (usize, &f32)| {
        let x = 240.0 * i as f32 / (values.len() - 1) as f32;
        let y = if v.is_finite() { 31.0 - v * scale } else { 0.0 };
        format!("{x:.1},{y:.1}")
    };
    Some(Sparkline {
        words: format!("{what}, largest {}", number(f64::from(most))),
        points: values
            .iter()
            .enumerate()
            .map(point)
            .collect::<Vec<_>>()
            .join(" "),
    })
}

impl Stage {
    /// Marks the stage if it is the first that introduced an error.
    pub(super) fn first(mut self, first: Option<crate::stage::Stage>) -> Self {
        self.first = first.is_some_and(|f| f.to_string() == self.name);
        self
    }
}
