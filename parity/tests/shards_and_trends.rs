//! Merged shards, and trends against earlier reports.

use parity::array::Array;
use parity::judge::Verdict;
use parity::recording::Recording;
use parity::report::{ChangeDirection, Report, Shard, Trend, merge};
use parity::stage::{Feed, Key, Stage};

use crate::made_up;

/// Five cases: the mel of the fourth is louder, and the fifth is missing.
fn report(shard: Option<Shard>) -> Report {
    let many = |mut recording: Recording| {
        let second = recording.cases["second"].clone();
        // Shards hold the same golden, whatever the clock says while a test makes it up.
        recording.manifest.recorded_at = "2026-01-01T00:00:00Z".into();
        for name in ["third", "fourth", "zeta"] {
            let mut case = second.clone();
            case.case.case.name = name.into();
            recording.cases.insert(name.into(), case);
            recording
                .manifest
                .cases
                .insert(name.into(), Default::default());
        }
        recording
    };
    let mut isolated = many(made_up::recording("native"));
    isolated.manifest.feed = Feed::Isolated;
    isolated.cases.remove("zeta");
    louder(&mut isolated, "fourth", 1.01);
    made_up::report(
        &many(made_up::golden()),
        &isolated,
        &many(made_up::recording("native")),
        shard,
    )
}

fn louder(recording: &mut Recording, case: &str, gain: f32) {
    let tensors = &mut recording.cases.get_mut(case).unwrap().tensors;
    let mel = tensors.get_mut(&Key::segment(Stage::FlowMel, 0)).unwrap();
    let values = mel.as_f32().unwrap().iter().map(|x| x * gain).collect();
    *mel = Array::f32(mel.shape().to_vec(), values).unwrap();
}

/// Both recordings of a candidate whose mel of the first case is `gain` times too loud.
fn with_gain(gain: f32) -> Report {
    let mut isolated = made_up::recording("native");
    isolated.manifest.feed = Feed::Isolated;
    louder(&mut isolated, "first", gain);
    made_up::report(
        &made_up::golden(),
        &isolated,
        &made_up::recording("native"),
        None,
    )
}

#[test]
fn merged_shards_are_the_report_of_one_run() {
    let mut whole = report(None);
    for of in 1..=6 {
        let mut shards: Vec<_> = (1..=of)
            .map(|index| report(Some(Shard { index, of })))
            .collect();
        let cases: usize = shards.iter().map(|s| s.cases.len()).sum();
        assert_eq!(cases, whole.cases.len());
        // The order in which they are given does not matter, but the clock does.
        shards.reverse();
        let mut merged = merge(shards).unwrap();
        for report in [&mut merged, &mut whole] {
            report.made_at.clear();
            report
                .candidates
                .iter_mut()
                .for_each(|c| c.recorded_at.clear());
            report.golden.recorded_at.clear();
        }
        assert!(merged == whole, "{of} shards");
    }
}

#[test]
fn a_shard_that_was_not_given_is_not_covered() {
    let shards = [1, 3].map(|index| report(Some(Shard { index, of: 3 })));
    let merged = merge(shards.into()).unwrap();
    assert_eq!(merged.not_covered[0], "shard 2 of 3: its report is missing");
    assert!(!merged.is_parity());
}

#[test]
fn reports_of_different_runs_are_not_merged() {
    let shard = |index| report(Some(Shard { index, of: 2 }));
    let refused = |change: fn(&mut Report)| {
        let mut other = shard(2);
        change(&mut other);
        merge(vec![shard(1), other]).unwrap_err().to_string()
    };
    let other = "report 2 is from another run: its";
    assert_eq!(
        refused(|r| r.golden.model = "x".into()),
        format!("{other} golden differs from that of report 1")
    );
    assert!(
        refused(|r| r.candidates[0].device = "cuda".into())
            .starts_with(&format!("{other} candidate"))
    );
    assert!(refused(|r| r.shard = Some(Shard { index: 2, of: 3 })).contains("number of shards"));
    assert!(
        merge(vec![shard(1), shard(1)])
            .unwrap_err()
            .to_string()
            .contains("report 2 is of shard 1, which another report is of")
    );
    assert!(merge(vec![]).is_err());
}

#[test]
fn a_trend_names_the_stage_that_became_worse_or_better() {
    let (quiet, fails) = (with_gain(1.0), with_gain(1.01));
    let trend = Trend::of(&quiet, &fails);
    assert_eq!(trend.changes.len(), 1);
    let change = &trend.changes[0];
    assert_eq!(
        (change.case.as_str(), change.stage, change.direction),
        (
            "first",
            Some((Stage::FlowMel, Feed::Isolated)),
            ChangeDirection::Worse
        )
    );
    assert_eq!(
        (change.from, change.to),
        (Some(Verdict::Pass), Some(Verdict::Fail))
    );
    let back = Trend::of(&fails, &quiet);
    assert_eq!(
        (
            back.count(ChangeDirection::Better),
            back.count(ChangeDirection::Worse)
        ),
        (1, 0)
    );
    let cells: usize = quiet.summary.cells.values().sum();
    assert_eq!(back.unchanged, cells - 1);
    assert_eq!(Trend::of(&quiet, &quiet).changes, []);
}

#[test]
fn a_measure_that_moves_within_its_limit_is_a_trend_as_well() {
    // The noise is 100 dB below the signal: a gain of 1 + 1e-5 is one of it, and the limit is 4.
    let (small, large) = (with_gain(1.000_01), with_gain(1.000_03));
    assert_eq!((small.is_parity(), large.is_parity()), (true, true));
    let trend = Trend::of(&small, &large);
    let moved = trend.changes[0].measure.as_ref().unwrap();
    assert_eq!(trend.changes[0].direction, ChangeDirection::Worse);
    assert!(moved.after.0 > 2.0 * moved.before.0, "{moved:?}");
}

#[test]
fn cases_that_come_and_go_are_named() {
    let mut fewer = with_gain(1.0);
    fewer.cases.remove(0);
    let directions = |t: &Trend| {
        t.changes
            .iter()
            .map(|c| (c.case.clone(), c.direction))
            .collect::<Vec<_>>()
    };
    let now = Trend::of(&with_gain(1.0), &fewer);
    assert_eq!(directions(&now), [("first".into(), ChangeDirection::Gone)]);
    assert_eq!(
        directions(&Trend::of(&fewer, &with_gain(1.0))),
        [("first".into(), ChangeDirection::New)]
    );
    // A shard lacks cases by design.
    fewer.shard = Some(Shard { index: 2, of: 2 });
    assert_eq!(directions(&Trend::of(&with_gain(1.0), &fewer)), []);
}
