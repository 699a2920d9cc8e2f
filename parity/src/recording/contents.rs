//! What a recording must hold. It follows from the case, the feed and the engine, so that a value
//! that is lost cannot vanish from the judgement.

use super::case_record::{CaseRecord, DRAW_TAP, STEPS_TAP};
use super::{Manifest, noise};
use crate::array::{Array, Data};
use crate::case::{Case, Keep};
use crate::stage::{Feed, Key, Stage, ValueKind};

/// What is wrong with a record: the file of the case's folder, and the reason.
pub(super) type Damage = (&'static str, String);

const TENSORS: &str = "tensors.safetensors";
const AUDIO: &str = "audio.wav";
const NOISE: &str = "noise.json";

impl Manifest {
    /// Whether this recording must hold `stage` of a case.
    pub fn promises(&self, case: &Case, stage: Stage) -> bool {
        let logits = matches!(stage, Stage::LlmLogitRows | Stage::LlmLogits);
        // The reference teacher-forces its own tokens while it records from end to end.
        let fed = self.feed.requires(stage) || (logits && self.engine.is_reference());
        case.has(stage) && case.keeps(stage) && fed
    }
}

/// The first thing that a golden lacks of what it promises, or holds beyond its case.
pub(super) fn lacking(record: &CaseRecord, manifest: &Manifest) -> Option<Damage> {
    let case = &record.case.case;
    let promised = Stage::all().filter(|stage| manifest.promises(case, *stage));
    provenance(record)
        .or_else(|| promised.into_iter().find_map(|stage| lacks(record, stage)))
        .or_else(|| {
            let mut keys = record.tensors.keys();
            keys.find_map(|key| surplus(record, manifest, key))
        })
        .or_else(|| logits_without_rows(record))
        .or_else(|| without_noise(record, manifest))
}

/// The first value of a golden that cannot be true, whatever it was recorded with.
pub(super) fn untrue(record: &CaseRecord) -> Option<Damage> {
    let not_finite = |key: &Key, count| {
        (
            TENSORS,
            format!("{count} values of {key} are NaN or infinite"),
        )
    };
    let tensors = record.tensors.iter().filter(|(key, _)| !is_draw(key));
    let floats = tensors.filter_map(|(key, array)| Some((key, array.as_f32()?)));
    let tensor = floats
        .map(|(key, values)| (key, count_non_finite(values)))
        .find(|(_, count)| *count > 0)
        .map(|(key, count)| not_finite(key, count));
    let sound = || match count_non_finite(&record.audio) {
        0 => None,
        count => Some((AUDIO, format!("{count} samples are NaN or infinite"))),
    };
    let noise = || {
        let mut all = record.noise.iter();
        all.find_map(|(key, noise)| noise::untrue(record, key, noise))
            .map(|reason| (NOISE, reason))
    };
    tensor.or_else(sound).or_else(noise)
}

/// How many values are NaN or infinite.
pub(crate) fn count_non_finite(values: &[f32]) -> usize {
    values.iter().filter(|x| !x.is_finite()).count()
}

/// Whether the value says how a token was drawn, where NaN stands for what was not drawn.
fn is_draw(key: &Key) -> bool {
    key.stage == Stage::LlmTokens && matches!(key.tap.as_deref(), Some(DRAW_TAP | STEPS_TAP))
}

/// A case's recordings must be named by their hashes, or nobody could tell that they changed.
fn provenance(record: &CaseRecord) -> Option<Damage> {
    let is_hash = |hash: &str| hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit());
    let says = |what, hash: Option<&str>| {
        let reason = format!("it does not say which {what} was used");
        (!hash.is_some_and(is_hash)).then_some(("case.json", reason))
    };
    let prompt = says("prompt recording", Some(&record.case.prompt_wav_sha256));
    let source = || says("source recording", record.case.source_wav_sha256.as_deref());
    let conversion = record.case.case.is_conversion();
    prompt.or_else(|| conversion.then(source).flatten())
}

fn lacks(record: &CaseRecord, stage: Stage) -> Option<Damage> {
    let promise = "which its case and feed promise";
    let segments = &record.text.segments;
    match stage {
        Stage::TextNormalized => {
            let empty = segments.is_empty() || segments.iter().any(|s| s.text.is_empty());
            empty.then(|| {
                (
                    "text.json",
                    format!("it lacks {stage} of a segment, {promise}"),
                )
            })
        }
        Stage::TextIds => {
            let empty = segments.iter().any(|s| s.ids.is_empty());
            empty.then(|| {
                (
                    "text.json",
                    format!("it lacks {stage} of a segment, {promise}"),
                )
            })
        }
        Stage::Speech => record
            .audio
            .is_empty()
            .then(|| (AUDIO, format!("it has no sound, {promise}"))),
        _ => record.keys(stage).iter().find_map(|key| {
            let reason = match record.tensors.get(key) {
                None => format!("it lacks {key}, {promise}"),
                Some(array) if array.is_empty() => format!("{key} is empty"),
                Some(array) if !is_of_kind(array, stage) => {
                    format!("{key} is {}, which is not what it holds", array.dtype())
                }
                Some(_) => return None,
            };
            Some((TENSORS, reason))
        }),
    }
}

fn is_of_kind(array: &Array, stage: Stage) -> bool {
    let integers = matches!(array.data(), Data::I64(_));
    integers == (stage.kind() == ValueKind::Tokens)
}

/// A value for which the case has no place, such as a segment beyond its text. The reference keeps
/// nothing beyond what the case says, so that a case cannot be made to promise less than there is.
fn surplus(record: &CaseRecord, manifest: &Manifest, key: &Key) -> Option<Damage> {
    let case = &record.case.case;
    let kept = case.keeps(key.stage) || !manifest.engine.is_reference();
    let place = case.has(key.stage)
        && kept
        && key
            .segment
            .is_none_or(|segment| segment < record.segments());
    (!place).then(|| {
        (
            TENSORS,
            format!("it holds {key}, for which its case has no place"),
        )
    })
}

fn logits_without_rows(record: &CaseRecord) -> Option<Damage> {
    record.keys(Stage::LlmLogits).into_iter().find_map(|key| {
        let logits = record.tensors.get(&key)?;
        let rows = Key {
            stage: Stage::LlmLogitRows,
            ..key.clone()
        };
        let rows = record.tensors.get(&rows).map_or(0, Array::len);
        let height = logits.shape().first().copied().unwrap_or(0);
        let reason = format!("{key} has {height} rows, but {rows} positions");
        (height != rows).then_some((TENSORS, reason))
    })
}

/// The reference measures its own float32 error of every float that it records.
fn without_noise(record: &CaseRecord, manifest: &Manifest) -> Option<Damage> {
    if !manifest.engine.is_reference()
        || manifest.feed != Feed::Cascaded
        || record.case.case.keep == Keep::Tokens
    {
        return None;
    }
    let floats = record.tensors.iter().filter(|(_, a)| a.as_f32().is_some());
    if let Some(reason) = record
        .noise
        .keys()
        .find_map(|key| noise::out_of_nothing(record, key))
    {
        return Some((NOISE, reason));
    }
    let mut without = floats.filter(|(key, _)| !record.noise.contains_key(key));
    without
        .next()
        .map(|(key, _)| (NOISE, format!("it lacks the noise of {key}")))
}
