//! Whether the limits in use would catch anything: gross faults are planted in values of the
//! golden and judged like a candidate's. Limits that let one through prove nothing.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::evaluation::Evaluation;
use super::outcome::Verdict;
use crate::array::Array;
use crate::recording::CaseRecord;
use crate::stage::{Feed, Key, Stage, ValueKind};

/// Samples of a sound that are tested: measures of a whole sound take long.
const SAMPLES: usize = 2_400;

/// A gross fault that was planted in a value of the golden, and what the limits made of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GrossFault {
    /// The stage that the value is of.
    pub stage: Stage,
    /// The feed under whose limits it was judged.
    pub feed: Feed,
    /// The fault.
    pub what: String,
    /// Whether it was not green.
    pub caught: bool,
}

/// The test of the limits by which a run is judged.
#[derive(Clone, Debug, Default)]
pub struct LimitsTest {
    faults: BTreeMap<(Stage, Feed), Vec<GrossFault>>,
}

impl LimitsTest {
    /// Plants faults in one value of each stage of a case, unless another case had the stage. If the
    /// case is not `ours` but another shard's, that one plants them.
    pub fn plant(&mut self, evaluation: &Evaluation<'_>, golden: &CaseRecord, ours: bool) {
        let case = &golden.case.case;
        for feed in Feed::ALL {
            let Some(conditions) = evaluation.conditions(feed) else {
                continue;
            };
            let kept = |s: &Stage| case.has(*s) && case.keeps(*s) && feed.allows(*s);
            for stage in Stage::all().filter(|s| kept(s) && !s.is_auxiliary()) {
                if self.faults.contains_key(&(stage, feed)) {
                    continue;
                }
                let mut keys = golden.keys(stage).into_iter();
                let Some((key, reference)) = keys.find_map(|k| alone(golden, k)) else {
                    continue;
                };
                let gross = if ours { &GROSS[..] } else { &[] };
                let faults = gross.iter().filter_map(|(what, gross)| {
                    let mut candidate = reference.clone();
                    gross.plant(&mut candidate, &key);
                    if candidate == reference {
                        return None;
                    }
                    let value = evaluation.value(&reference, &candidate, key.clone(), &conditions);
                    Some(GrossFault {
                        stage,
                        feed,
                        what: (*what).to_owned(),
                        caught: value.verdict != Verdict::Pass,
                    })
                });
                self.faults.insert((stage, feed), faults.collect());
            }
        }
    }

    /// Every fault that was planted, in the order of the stages.
    pub fn faults(self) -> Vec<GrossFault> {
        self.faults.into_values().flatten().collect()
    }
}

/// What turns a value into one that no limit may accept.
enum Gross {
    Floats(fn(&mut [f32])),
    Ids(fn(&mut Vec<i64>)),
    Text(fn(&mut String)),
}

const GROSS: [(&str, Gross); 7] = [
    ("all zero", Gross::Floats(|v| v.fill(0.0))),
    (
        "half as large",
        Gross::Floats(|v| v.iter_mut().for_each(|x| *x *= 0.5)),
    ),
    ("as much noise as signal", Gross::Floats(as_much_noise)),
    ("empty", Gross::Ids(Vec::clear)),
    (
        "the last one changed",
        Gross::Ids(|v| v.iter_mut().rev().take(1).for_each(|t| *t += 1)),
    ),
    ("empty", Gross::Text(String::clear)),
    ("one character more", Gross::Text(|t| t.push('.'))),
];

impl Gross {
    fn plant(&self, record: &mut CaseRecord, key: &Key) {
        let segment = record.text.segments.first_mut();
        match (self, key.stage, segment) {
            (Self::Text(f), Stage::TextNormalized, Some(segment)) => f(&mut segment.text),
            (Self::Ids(f), Stage::TextIds, Some(segment)) => f(&mut segment.ids),
            (Self::Floats(f), Stage::Speech, _) => f(&mut record.audio),
            _ => {
                let Some(array) = record.tensors.get_mut(key) else {
                    return;
                };
                if let (Self::Floats(f), Some(values)) = (self, array.as_f32()) {
                    let mut values = values.to_vec();
                    f(&mut values);
                    // As many values as before fill the shape.
                    if let Ok(new) = Array::f32(array.shape().to_vec(), values) {
                        *array = new;
                    }
                } else if let (Self::Ids(f), Some(ids)) = (self, array.as_i64()) {
                    let mut ids = ids.to_vec();
                    f(&mut ids);
                    *array = Array::ids(ids);
                }
            }
        }
    }
}

/// Adds the signal's own RMS with alternating signs; 1 to a signal of zeros.
fn as_much_noise(values: &mut [f32]) {
    let finite = || values.iter().copied().filter(|x| x.is_finite());
    let power: f64 = finite().map(|x| f64::from(x).powi(2)).sum();
    let rms = (power / finite().count().max(1) as f64).sqrt() as f32;
    let level = if rms > 0.0 { rms } else { 1.0 };
    for (i, x) in values.iter_mut().enumerate() {
        *x += if i % 2 == 0 { level } else { -level };
    }
}

/// The value under `key` with what it takes to judge it, a sound cut to its loudest part. None if
/// it is absent or empty.
fn alone(golden: &CaseRecord, key: Key) -> Option<(Key, CaseRecord)> {
    let mut record = CaseRecord {
        case: golden.case.clone(),
        text: golden.text.clone(),
        tensors: BTreeMap::new(),
        noise: golden.noise.clone(),
        audio: Vec::new(),
        unrecorded: Default::default(),
    };
    let there = match key.stage {
        Stage::TextNormalized => golden.text.segments.iter().any(|s| !s.text.is_empty()),
        Stage::TextIds => golden.text.segments.iter().any(|s| !s.ids.is_empty()),
        Stage::Speech => {
            record.audio = loudest(&golden.audio).to_vec();
            !record.audio.is_empty()
        }
        stage => {
            let mut array = golden.tensors.get(&key)?.clone();
            if stage.kind() == ValueKind::Audio {
                array = Array::vector(loudest(array.as_f32()?).to_vec());
            }
            let there = !array.is_empty();
            record.tensors.insert(key.clone(), array);
            let rows = Key {
                stage: Stage::LlmLogitRows,
                ..key.clone()
            };
            if let (Stage::LlmLogits, Some(positions)) = (stage, golden.tensors.get(&rows)) {
                record.tensors.insert(rows, positions.clone());
            }
            there
        }
    };
    there.then_some((key, record))
}

/// The part around the largest sample.
fn loudest(sound: &[f32]) -> &[f32] {
    let loud = sound
        .iter()
        .enumerate()
        .max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
    let middle = loud.map_or(0, |(at, _)| at);
    let start = middle.saturating_sub(SAMPLES / 2);
    let end = (start + SAMPLES).min(sound.len());
    &sound[start..end]
}
