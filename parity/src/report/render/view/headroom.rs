//! How close each stage is to its limits, and how that changed over the runs.

use serde::Serialize;

use super::mark::Mark;
use crate::format::number;
use crate::judge::{Verdict, held_to_limit, margin};
use crate::report::headroom::{Tightest, tightest};
use crate::report::model::{PastRun, Report};

/// Rows that are shown at first.
const FEW: usize = 8;
/// Size of a row's curve.
const WIDTH: f64 = 160.0;
const HEIGHT: f64 = 28.0;
/// Headroom that reaches the top of a curve: a whole limit. Most stages have less.
const TOP: f64 = 1.0;

/// Stages by headroom, the closest to a limit first.
#[derive(Serialize)]
pub(in crate::report) struct Headroom {
    rows: Vec<Row>,
    /// How many rows are shown at first.
    few: usize,
    /// Stages in which every limit demands equality.
    exact: usize,
    /// Every run, the latest first, this one included; empty without earlier ones.
    runs: Vec<Run>,
}

#[derive(Serialize)]
struct Row {
    mark: Mark,
    stage: String,
    feed: &'static str,
    case: String,
    words: String,
    left: String,
    curve: Option<Curve>,
}

/// Headroom from run to run, in a box of 160 × 28.
#[derive(Serialize)]
struct Curve {
    words: String,
    points: String,
    /// Where nothing is left.
    zero: String,
    /// The dot of this run.
    last: (String, String),
}

#[derive(Serialize)]
struct Run {
    made_at: String,
    engine: String,
    verdict: String,
    /// The stage that was closest to its limit.
    closest: String,
    /// What else than the engine changed since the run before.
    changed: Vec<&'static str>,
}

/// None if no limit of the report leaves room.
pub(in crate::report) fn headroom(report: &Report) -> Option<Headroom> {
    let all = tightest(report);
    let (mut with, without): (Vec<_>, Vec<_>) = all.into_iter().partition(|t| t.closest.is_some());
    let compared = |t: &&Tightest<'_>| matches!(t.verdict, Verdict::Pass | Verdict::Fail);
    let exact = without.iter().filter(compared).count();
    let now = PastRun::of(report);
    let runs: Vec<&PastRun> = report.history.iter().chain(&now).collect();
    let left = |t: &Tightest<'_>| t.closest.map_or(f64::INFINITY, |(_, check)| margin(check));
    with.sort_by(|a, b| left(a).total_cmp(&left(b)));
    let rows: Vec<_> = with.iter().filter_map(|t| row(t, &runs)).collect();
    (!rows.is_empty()).then(|| Headroom {
        rows,
        few: FEW,
        exact,
        runs: match runs.len() {
            0 | 1 => Vec::new(),
            _ => all_runs(&runs),
        },
    })
}

fn row(tightest: &Tightest<'_>, runs: &[&PastRun]) -> Option<Row> {
    let (case, check) = tightest.closest?;
    let (stage, feed) = (tightest.stage, tightest.feed);
    let values: Vec<_> = runs.iter().map(|run| run.headroom(stage, feed)).collect();
    Some(Row {
        mark: Mark::of(tightest.verdict, None),
        stage: stage.to_string(),
        feed: feed.name(),
        case: case.to_owned(),
        words: held_to_limit(check),
        left: percent(margin(check)),
        curve: curve(&values),
    })
}

/// A limit that is broken by ten times itself and more is told by the measure.
fn percent(share: f64) -> String {
    if share <= -10.0 {
        return "< −1000 %".to_owned();
    }
    format!("{} %", number((share * 1000.0).round() / 10.0))
}

fn curve(values: &[Option<f64>]) -> Option<Curve> {
    let known: Vec<(usize, f64)> = values
        .iter()
        .enumerate()
        .filter_map(|(i, v)| Some((i, (*v)?)))
        .filter(|(_, v)| !v.is_nan())
        .collect();
    let (&(_, first), &(_, last)) = (known.first()?, known.last()?);
    if known.len() < 2 {
        return None;
    }
    let low = known.iter().map(|k| k.1).fold(0.0, f64::min).max(-TOP);
    let y = |v: f64| HEIGHT - 2.0 - (v.clamp(low, TOP) - low) / (TOP - low) * (HEIGHT - 4.0);
    let x = |i: usize| 3.0 + (WIDTH - 6.0) * i as f64 / (values.len() - 1) as f64;
    let place = |(i, v): &(usize, f64)| (format!("{:.1}", x(*i)), format!("{:.1}", y(*v)));
    let points: Vec<_> = known.iter().map(place).collect();
    let joined: Vec<_> = points.iter().map(|(x, y)| format!("{x},{y}")).collect();
    Some(Curve {
        words: format!(
            "{} over {} runs, now {}",
            percent(first),
            known.len(),
            percent(last)
        ),
        points: joined.join(" "),
        zero: format!("{:.1}", y(0.0)),
        last: points.last()?.clone(),
    })
}

fn all_runs(runs: &[&PastRun]) -> Vec<Run> {
    let before = std::iter::once(None).chain(runs.iter().map(Some));
    let mut rows: Vec<_> = runs.iter().zip(before).map(|(r, b)| run(r, b)).collect();
    rows.reverse();
    rows
}

fn run(run: &PastRun, before: Option<&&PastRun>) -> Run {
    let closest = run
        .stages
        .iter()
        .filter_map(|s| Some((s, s.headroom?.0)))
        .min_by(|a, b| a.1.total_cmp(&b.1));
    let differs = |what: &'static str, of: fn(&PastRun) -> &Option<String>| {
        before.is_some_and(|b| of(b) != of(run)).then_some(what)
    };
    let changed = [
        differs("the golden was recorded anew", |r| &r.golden_sha256),
        differs("other limits", |r| &r.limits_sha256),
    ];
    let commit = run.engine_commit.iter().map(|c| format!(" {c:.8}"));
    Run {
        made_at: run.made_at.clone(),
        engine: format!("{} {}", run.engine, run.engine_version) + &commit.collect::<String>(),
        verdict: run.verdict.clone(),
        closest: closest.map_or_else(String::new, |(s, left)| {
            format!("{} {}, {}", s.stage, s.feed.name(), percent(left))
        }),
        changed: changed.into_iter().flatten().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_needs_two_runs_and_ends_with_the_last() {
        assert!(curve(&[Some(0.5)]).is_none());
        assert!(curve(&[Some(0.5), None]).is_none());
        let found = curve(&[Some(0.5), None, Some(1.0)]).unwrap();
        assert_eq!(found.points, "3.0,14.0 157.0,2.0");
        assert_eq!(found.last, ("157.0".into(), "2.0".into()));
        assert_eq!(found.words, "50 % over 2 runs, now 100 %");
    }

    #[test]
    fn a_broken_limit_lies_below_zero() {
        let found = curve(&[Some(1.0), Some(-1.0)]).unwrap();
        assert_eq!((&*found.zero, &*found.last.1), ("14.0", "26.0"));
    }
}
