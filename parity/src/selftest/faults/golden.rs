//! Faults of the golden itself, which a candidate that agrees with it must not hide.

use crate::array::Array;
use crate::recording::CaseRecord;
use crate::selftest::fault::{Expected, Fault};
use crate::selftest::plant::Sides;
use crate::stage::Stage::{FlowMel, LlmTokens, PromptFbank};
use crate::stage::{Feed, Key};

/// Changes the first case of the golden and of both candidates that has a place for it.
fn both(sides: &mut Sides, f: impl Fn(&mut CaseRecord) -> bool) -> bool {
    let all = [&mut sides.golden, &mut sides.isolated, &mut sides.cascaded];
    let planted = all.map(|r| r.cases.values_mut().any(&f));
    planted == [true; 3]
}

/// Makes the golden's noise a billion times as large.
fn inflate(sides: &mut Sides) -> bool {
    let cases = sides.golden.cases.values_mut();
    let mut inflated = false;
    for noise in cases.flat_map(|c| c.noise.values_mut()) {
        for value in [&mut noise.max_abs, &mut noise.p999, &mut noise.rms] {
            *value *= 1e9;
            inflated |= *value > 0.0;
        }
        noise.nmse_db += 180.0;
    }
    inflated
}

const fn damaged(what: &'static str, plant: fn(&mut Sides) -> bool) -> Fault {
    Fault::recordings(Expected::Damaged, what, plant)
}

const fn stale(what: &'static str, plant: fn(&mut Sides) -> bool) -> Fault {
    Fault::recordings(Expected::Stale, what, plant)
}

pub(super) const FAULTS: &[Fault] = &[
    damaged("NaN in the mel of both sides", |s| {
        both(s, |r| {
            let Some(mel) = r.tensors.get_mut(&Key::segment(FlowMel, 0)) else {
                return false;
            };
            let mut values = mel.as_f32().unwrap_or_default().to_vec();
            values.iter_mut().take(1).for_each(|x| *x = f32::NAN);
            let new = Array::f32(mel.shape().to_vec(), values);
            new.map(|new| *mel = new).is_ok()
        })
    }),
    damaged("the golden's noise a billion times as large", inflate),
    Fault::recordings(
        Expected::Missing(LlmTokens),
        "no sampled token on either side",
        |s| {
            both(s, |r| {
                let tokens = r.tensors.get_mut(&Key::segment(LlmTokens, 0));
                tokens.map(|t| *t = Array::ids(vec![])).is_some()
            })
        },
    ),
    Fault::recordings(
        Expected::Missing(PromptFbank),
        "filter banks recorded by neither side",
        |s| both(s, |r| r.tensors.remove(&Key::whole(PromptFbank)).is_some()),
    ),
    stale("a golden that does not say which torch", |s| {
        s.golden.manifest.libraries.clear();
        true
    }),
    stale("a golden that does not say which weights", |s| {
        s.golden.manifest.model.files.clear();
        true
    }),
    stale("a golden that does not say which sources", |s| {
        s.golden.manifest.sources.clear();
        true
    }),
    stale("a golden that does not say which lm_weights", |s| {
        s.golden.manifest.lm_weights = None;
        true
    }),
    stale("a golden of another device", |s| {
        s.golden.manifest.device = "cuda".into();
        true
    }),
    stale("a golden of another precision", |s| {
        s.golden.manifest.precision = "bf16".into();
        true
    }),
    stale("a golden that was fed from another", |s| {
        s.golden.manifest.feed = Feed::Isolated;
        s.golden.manifest.fed_from = Some("0".repeat(64));
        true
    }),
];
