//! The flow: how many steps it takes, where it starts, and whether the first step is right.

use super::cause::{Cause, Clue};
use super::evidence::Evidence;
use crate::format::number;
use crate::metric::Metric;
use crate::stage::{FLOW_STEPS, Key, Stage};

/// From this error on, in dB of the signal, the first state is another one altogether: one step
/// moves it by about a hundredth of the way.
const OTHER_STATE_DB: f64 = -10.0;

pub(super) fn clues(evidence: &Evidence<'_>) -> Vec<Clue> {
    let recorded = |step: u8| {
        let key = Key::segment(Stage::FlowStep(step), 0);
        evidence.candidate.tensors.contains_key(&key)
    };
    let kept = |step: u8| {
        let key = Key::segment(Stage::FlowStep(step), 0);
        evidence.golden.tensors.contains_key(&key)
    };
    let fails = FLOW_STEPS.map(Stage::FlowStep).any(|s| evidence.fails(s));
    if !(fails || evidence.fails(Stage::FlowMel)) || evidence.fails(Stage::FlowMu) {
        return Vec::new();
    }
    let last = FLOW_STEPS.filter(|s| recorded(*s)).max();
    let (Some(last), true) = (last, FLOW_STEPS.clone().all(kept)) else {
        return Vec::new();
    };
    let clue = |cause, step, sign: String| {
        let stage = Stage::FlowStep(step);
        vec![Clue { cause, stage, sign }]
    };
    let consecutive = (1..=last).all(recorded);
    if last < *FLOW_STEPS.end() && consecutive && evidence.fails(Stage::FlowStep(1)) {
        let plural = if last == 1 { "" } else { "s" };
        let sign = format!("{last} step{plural} recorded, 10 in the reference");
        return clue(Cause::FewerSteps, 1, sign);
    }
    if !evidence.fails(Stage::FlowStep(1)) {
        return Vec::new();
    }
    let error = evidence.worst(Stage::FlowStep(1), Metric::NmseDb);
    match error {
        Some(db) if db > OTHER_STATE_DB => {
            let sign = format!(
                "the state after the first step is off by {} dB of itself",
                number(db.round())
            );
            clue(Cause::OtherNoise, 1, sign)
        }
        Some(db) => {
            let sign = format!(
                "the first step already is off, by {} dB of the state",
                number(db.round())
            );
            clue(Cause::Guidance, 1, sign)
        }
        None => Vec::new(),
    }
}
