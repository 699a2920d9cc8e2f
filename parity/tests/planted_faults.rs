//! Every fault of `parity selftest` is caught in a made-up golden, which has a place for all.

use parity::selftest;

use crate::made_up;

#[test]
fn every_planted_fault_is_caught() {
    let planted = selftest::run(&made_up::golden_of_all_modes(), &made_up::tolerances()).unwrap();
    assert!(planted.len() >= 120, "{} faults", planted.len());
    let missed: Vec<_> = planted.iter().filter(|p| !p.caught).collect();
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn limits_that_catch_nothing_are_found_out() {
    let mut tolerances = made_up::tolerances();
    for limit in &mut tolerances.limits {
        limit.at_most = limit.at_most.map(|_| f64::INFINITY);
        limit.at_least = limit.at_least.map(|_| f64::NEG_INFINITY);
    }
    let planted = selftest::run(&made_up::golden_of_all_modes(), &tolerances).unwrap();
    let missed = planted.iter().filter(|p| !p.caught).count();
    // Shapes, NaN, missing stages and stale goldens need no limit.
    assert!(missed >= 30, "only {missed} missed");
}

#[test]
fn limits_of_one_precision_that_let_faults_through_are_found_out() {
    let mut tolerances = made_up::tolerances();
    let wide: Vec<_> = tolerances
        .limits
        .iter()
        .filter(|l| l.metric == parity::metric::Metric::EditDistance)
        .cloned()
        .collect();
    for mut limit in wide {
        limit.precision = Some("bf16".into());
        limit.at_most = Some(1e9);
        tolerances.limits.push(limit);
    }
    let planted = selftest::run(&made_up::golden_of_all_modes(), &tolerances).unwrap();
    let missed: Vec<_> = planted.iter().filter(|p| !p.caught).collect();
    let by_bf16 = "gross faults by the limits of native, cpu, bf16";
    assert!(missed.iter().any(|p| p.fault == by_bf16), "{missed:#?}");
}

#[test]
fn faults_without_a_place_are_left_out() {
    let all = selftest::run(&made_up::golden_of_all_modes(), &made_up::tolerances()).unwrap();
    let fewer = selftest::run(&made_up::golden(), &made_up::tolerances()).unwrap();
    let streamed = |planted: &selftest::Planted| planted.fault.contains("chunk");
    assert!(all.iter().any(streamed) && !fewer.iter().any(streamed));
}
