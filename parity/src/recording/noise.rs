//! The reference's own float32 error: how large it may be to serve as a unit, and when it cannot be
//! true.

use std::collections::BTreeMap;

use super::case_record::{CASCADED_NOISE, CaseRecord};
use crate::array::Array;
use crate::metric::{Noise, ratio_db};
use crate::stage::{Feed, Key, Stage};

/// The reference's own float32 error of a value, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum KnownNoise<'a> {
    /// The golden has none.
    Absent,
    /// It is so large, in dB of the signal, that something else than rounding was measured.
    Unmeasured(f64),
    /// The unit of the noise ratio.
    Measured(&'a Noise),
}

/// The largest believable noise, in dB of the signal. Alone, a stage rounds: the largest of the tiny
/// model's is -83 dB, and a thousandth of the amplitude is no rounding. Cascaded errors add up: the
/// phase of the source sums the errors of F0, to -46 dB in four seconds.
fn ceiling(feed: Feed) -> f64 {
    match feed {
        Feed::Isolated => -60.0,
        Feed::Cascaded => -20.0,
    }
}

/// From here on the noise is not only too large to be a unit, but not of this signal: alone, it is
/// near the signal; cascaded, it is more than the difference of two unrelated signals, which is 3 dB
/// above either.
fn impossible(feed: Feed) -> f64 {
    match feed {
        Feed::Isolated => -6.0,
        Feed::Cascaded => 6.0,
    }
}

/// By how much a noise may differ between the energy that it was measured against, which may be
/// that of all positions, and that of the values that are kept. Measured: 1 dB, in logits.
const AGREEMENT_DB: f64 = 3.0;

/// By how much a stage's noise may exceed what it usually is in other cases. Measured: 20 dB.
const ELSEWHERE_DB: f64 = 40.0;

/// Less noise than this is none: the rounding of float32 itself.
const ROUNDING_DB: f64 = -150.0;

/// Times the RMS error that the 99.9th percentile can be: a thousandth of the values that hold all
/// of the energy would be 31.6 times the RMS.
const MOST_P999: f64 = 40.0;

impl CaseRecord {
    /// The reference's own float32 error of a value under a feed.
    pub fn noise_of(&self, key: &Key, feed: Feed) -> KnownNoise<'_> {
        // The sound has one noise, that of the whole chain.
        let feed = match key.stage {
            Stage::Speech => Feed::Cascaded,
            _ => feed,
        };
        let accumulated = match feed {
            Feed::Isolated => None,
            Feed::Cascaded => self.noise.get(&key.clone().tap(CASCADED_NOISE)),
        };
        match accumulated.or_else(|| self.noise.get(key)) {
            None => KnownNoise::Absent,
            Some(noise) if noise.nmse_db <= ceiling(feed) => KnownNoise::Measured(noise),
            Some(noise) => KnownNoise::Unmeasured(noise.nmse_db),
        }
    }
}

/// The values that a noise belongs to, if the record has them, and the feed that it was measured
/// under. The delivered sound exists only from end to end.
fn measured_of<'a>(record: &'a CaseRecord, key: &Key) -> (Option<&'a [f32]>, Feed) {
    let floats = |key: &Key| record.tensors.get(key).and_then(Array::as_f32);
    let (values, feed) = match (&key.tap, key.stage) {
        (None, Stage::Speech) => (Some(record.audio.as_slice()), Feed::Cascaded),
        (Some(tap), _) if tap == CASCADED_NOISE => {
            let value = Key {
                tap: None,
                ..key.clone()
            };
            (floats(&value), Feed::Cascaded)
        }
        _ => (floats(key), Feed::Isolated),
    };
    (values.filter(|v| !v.is_empty()), feed)
}

/// Why a noise has no place in the record, if it has none.
pub(super) fn out_of_nothing(record: &CaseRecord, key: &Key) -> Option<String> {
    let (values, _) = measured_of(record, key);
    let reason = || format!("it has the noise of {key}, but there is no such value");
    values.is_none().then(reason)
}

/// Why a noise cannot be that of the record's value, if it cannot.
pub(super) fn untrue(record: &CaseRecord, key: &Key, noise: &Noise) -> Option<String> {
    let (values, feed) = measured_of(record, key);
    let values = values?;
    let Noise {
        max_abs,
        p999,
        rms,
        nmse_db,
    } = *noise;
    let numbers = [max_abs, p999, rms];
    if numbers.iter().any(|x| !x.is_finite() || *x < 0.0) || nmse_db.is_nan() {
        return Some(format!("the noise of {key} is not a finite number"));
    }
    let slack = 1.0 + 1e-6;
    if rms > max_abs * slack || p999 > max_abs * slack || p999 > MOST_P999 * rms {
        return Some(format!(
            "the noise of {key} has an RMS and a peak that exclude each other"
        ));
    }
    let energy: f64 = values.iter().map(|&x| f64::from(x).powi(2)).sum();
    let of_signal = ratio_db(rms * rms * values.len() as f64, energy);
    let agrees = of_signal == nmse_db || (of_signal - nmse_db).abs() <= AGREEMENT_DB;
    if !agrees {
        return Some(format!(
            "the noise of {key} is said to be {nmse_db:.1} dB of its signal, but is {of_signal:.1} dB"
        ));
    }
    (nmse_db >= impossible(feed)).then(|| {
        format!(
            "the reference's noise of {key} could not be measured: {nmse_db:.1} dB of the signal \
             itself"
        )
    })
}

/// The noise of every stage in every case of a recording, in dB of the signal.
#[derive(Debug, Default)]
pub(super) struct Levels(BTreeMap<(Stage, Option<String>), Vec<Level>>);

/// The noise of one value.
#[derive(Debug)]
struct Level {
    case: String,
    nmse_db: f64,
}

impl Levels {
    pub(super) fn add(&mut self, case: &str, noise: &BTreeMap<Key, Noise>) {
        for (key, noise) in noise {
            let of_stage = self.0.entry((key.stage, key.tap.clone())).or_default();
            of_stage.push(Level {
                case: case.to_owned(),
                nmse_db: noise.nmse_db,
            });
        }
    }

    /// Why a case's noise cannot be true, seen beside that of the other cases.
    pub(super) fn out_of_place(&self, case: &str, noise: &BTreeMap<Key, Noise>) -> Option<String> {
        noise.iter().find_map(|(key, noise)| {
            let all = self.0.get(&(key.stage, key.tap.clone()))?;
            let others = all.iter().filter(|level| level.case != case);
            let mut others: Vec<f64> = others.map(|level| level.nmse_db).collect();
            others.sort_by(f64::total_cmp);
            let usual = others.get(others.len() / 2)?.max(ROUNDING_DB);
            let found = noise.nmse_db;
            (found > usual + ELSEWHERE_DB).then(|| {
                format!(
                    "the noise of {key} is {found:.1} dB of its signal, but {usual:.1} dB in the \
                     other cases"
                )
            })
        })
    }
}
