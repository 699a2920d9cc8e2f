use std::collections::BTreeMap;

use crate::judge::{CaseOutcome, Cell, Check, StageOutcome, Verdict};
use crate::metric::{Direction, Metric, Value};
use crate::report::model::{Change, ChangeDirection, MeasureChange, Report, Trend};
use crate::stage::Key;

/// A measure has changed if it differs by this share of its limit …
const SHARE: f64 = 0.1;
/// … or, in dB, by this much.
const DECIBELS: f64 = 1.0;

impl Trend {
    /// What changed from `earlier` to `now`. In a shard, absent cases do not count as gone.
    pub fn of(earlier: &Report, now: &Report) -> Self {
        let by_name = |report: &'_ Report| -> BTreeMap<String, CaseOutcome> {
            let cases = report.cases.iter().map(|c| &c.outcome);
            cases.map(|o| (o.name.clone(), o.clone())).collect()
        };
        let (before, after) = (by_name(earlier), by_name(now));
        let mut trend = Self {
            baseline_made_at: earlier.made_at.clone(),
            baseline_verdict: earlier.verdict.clone(),
            unchanged: 0,
            changes: Vec::new(),
        };
        for outcome in now.cases.iter().map(|c| &c.outcome) {
            match before.get(&outcome.name) {
                Some(earlier) => trend.case(earlier, outcome),
                None => trend
                    .changes
                    .push(whole_case(outcome, ChangeDirection::New)),
            }
        }
        let gone = earlier.cases.iter().map(|c| &c.outcome);
        let gone = gone.filter(|o| now.shard.is_none() && !after.contains_key(&o.name));
        trend
            .changes
            .extend(gone.map(|o| whole_case(o, ChangeDirection::Gone)));
        trend
    }

    fn case(&mut self, before: &CaseOutcome, now: &CaseOutcome) {
        let seen = self.changes.len();
        for stage in &now.stages {
            let earlier = before.stages.iter().find(|s| s.stage == stage.stage);
            for (feed, cell) in stage.cells() {
                let Some(earlier) = earlier.and_then(|s: &StageOutcome| s.cell(feed)) else {
                    continue;
                };
                match cell_change(earlier, cell) {
                    None => self.unchanged += 1,
                    Some((direction, measure)) => self.changes.push(Change {
                        case: now.name.clone(),
                        stage: Some((stage.stage, feed)),
                        direction,
                        from: Some(earlier.verdict),
                        to: Some(cell.verdict),
                        measure,
                    }),
                }
            }
        }
        // A golden that became stale has no stage to compare.
        if self.changes.len() == seen && before.verdict != now.verdict {
            let direction = direction(before.verdict, now.verdict);
            self.changes.push(Change {
                from: Some(before.verdict),
                ..whole_case(now, direction)
            });
        }
    }
}

fn whole_case(outcome: &CaseOutcome, direction: ChangeDirection) -> Change {
    let gone = direction == ChangeDirection::Gone;
    Change {
        case: outcome.name.clone(),
        stage: None,
        direction,
        from: gone.then_some(outcome.verdict),
        to: (!gone).then_some(outcome.verdict),
        measure: None,
    }
}

fn direction(before: Verdict, now: Verdict) -> ChangeDirection {
    if now > before {
        ChangeDirection::Worse
    } else {
        ChangeDirection::Better
    }
}

/// How a cell changed: by its verdict, or else by the measure that got worse most, or better most
/// if none got worse.
fn cell_change(before: &Cell, now: &Cell) -> Option<(ChangeDirection, Option<MeasureChange>)> {
    if before.verdict != now.verdict {
        return Some((direction(before.verdict, now.verdict), None));
    }
    let mut changes = Vec::new();
    for value in &now.values {
        let Some(earlier) = before.values.iter().find(|v| v.key == value.key) else {
            continue;
        };
        for check in &value.checks {
            let same = earlier.checks.iter().find(|c| c.metric == check.metric);
            if let Some(change) = same.and_then(|c| measure_change(&value.key, c, check)) {
                changes.push(change);
            }
        }
    }
    let worst = |a: &(f64, MeasureChange), b: &(f64, MeasureChange)| a.0.total_cmp(&b.0);
    let least = changes.iter().cloned().min_by(worst);
    let most = changes.into_iter().max_by(worst);
    match (least, most) {
        (Some((gain, change)), _) if gain < 0.0 => Some((ChangeDirection::Worse, Some(change))),
        (_, Some((_, change))) => Some((ChangeDirection::Better, Some(change))),
        _ => None,
    }
}

/// By how many times the smallest noticeable change a measure improved; negative if it got worse.
/// None if the change is not noticeable.
fn measure_change(key: &Key, before: &Check, now: &Check) -> Option<(f64, MeasureChange)> {
    let (b, n) = (before.value?.0, now.value?.0);
    let definition = now.metric.definition();
    let size = |v: f64| match (now.metric, definition.direction) {
        (Metric::Lag, _) => v.abs(),
        (_, Direction::Higher) => -v,
        (_, Direction::Lower) => v,
        (_, Direction::One) => (v - 1.0).abs(),
    };
    let limit = now.at_most.or(now.at_least)?.0;
    let unit = match definition.direction {
        Direction::One => SHARE * (limit - 1.0).abs(),
        _ if definition.unit == "dB" => DECIBELS,
        _ => SHARE * limit.abs(),
    };
    let gain = (size(b) - size(n)) / unit;
    (gain.abs() >= 1.0).then(|| {
        (
            gain,
            MeasureChange {
                key: key.clone(),
                metric: now.metric,
                before: Value(b),
                after: Value(n),
            },
        )
    })
}
