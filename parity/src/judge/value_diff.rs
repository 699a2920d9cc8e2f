use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::array::Array;
use crate::diff::audio::{self, AudioDiff};
use crate::diff::logits::{self, LogitDiff, Table};
use crate::diff::tensor::{self, TensorDiff};
use crate::diff::text::{self, TextDiff};
use crate::diff::tokens::{self, TokenDiff, Whose};
use crate::metric::{Measures, Metric, Noise, Value, ratio};
use crate::recording::{
    CaseRecord, DRAW_TAP, KnownNoise, MISMATCH_TAP, SAMPLE_RATE, count_non_finite,
};
use crate::stage::{Feed, Key, Stage, ValueKind};

/// The result of comparing one value.
#[derive(Clone, Debug, PartialEq)]
pub enum Compared {
    /// Both sides have the value.
    Both(Box<ValueDiff>),
    /// The reference lacks the value.
    NoReference,
    /// The candidate lacks the value.
    NoCandidate,
}

/// How two values differ.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ValueDiff {
    /// A fault that no limit covers: another shape, another type, NaN.
    pub fault: Option<String>,
    /// Whether both are empty, so that nothing was compared.
    pub empty: bool,
    /// The reference's own error in dB of the signal, if it is so large that it cannot have been
    /// measured. There is no noise ratio then.
    pub unmeasured_noise: Option<f64>,
    /// Everything measured.
    pub measures: Measures,
    /// Details that measures cannot express.
    pub detail: Option<Detail>,
}

/// Details that measures cannot express.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Detail {
    /// Texts with their edits.
    Text(TextDiff),
    /// Token lists with their alignments.
    Tokens {
        /// The lists: one, or one for the prompt and each segment.
        lists: Vec<TokenDiff>,
    },
    /// Divergences along the positions.
    Logits(LogitDiff),
    /// Errors over time.
    Tensor(TensorDiff),
    /// Levels of both sounds.
    Audio(AudioDiff),
}

/// Compares the value under `key`, of the whole case or of one segment, as the candidate produced
/// it under `feed`.
pub fn diff_value(
    reference: &CaseRecord,
    candidate: &CaseRecord,
    key: &Key,
    feed: Feed,
) -> Compared {
    let (noise, unmeasured_noise) = match reference.noise_of(key, feed) {
        KnownNoise::Absent => (None, None),
        KnownNoise::Unmeasured(db) => (None, Some(db)),
        KnownNoise::Measured(noise) => (Some(noise), None),
    };
    if candidate.unrecorded.contains(&key.stage) {
        return Compared::NoCandidate;
    }
    let diff = match key.stage {
        Stage::TextNormalized => texts(reference, candidate),
        Stage::TextIds => token_lists(&ids(reference), &ids(candidate)),
        Stage::Speech => speech(reference, candidate, noise),
        _ => match (reference.tensors.get(key), candidate.tensors.get(key)) {
            (None, _) => return Compared::NoReference,
            (_, None) => return Compared::NoCandidate,
            (Some(r), Some(c)) => arrays(reference, candidate, key, (r, c), noise),
        },
    };
    Compared::Both(Box::new(ValueDiff {
        unmeasured_noise,
        ..diff
    }))
}

fn fault(reason: impl Into<String>) -> ValueDiff {
    ValueDiff {
        fault: Some(reason.into()),
        ..ValueDiff::default()
    }
}

fn texts(reference: &CaseRecord, candidate: &CaseRecord) -> ValueDiff {
    let mut diff = text::diff(&text_list(reference), &text_list(candidate));
    let measures = std::mem::take(&mut diff.measures);
    let nothing = |record: &CaseRecord| record.text.segments.iter().all(|s| s.text.is_empty());
    ValueDiff {
        empty: nothing(reference) && nothing(candidate),
        measures,
        detail: Some(Detail::Text(diff)),
        ..ValueDiff::default()
    }
}

/// The prompt's text, empty if absent, and the segments.
fn text_list(record: &CaseRecord) -> Vec<&str> {
    let segments = record.text.segments.iter().map(|s| &*s.text);
    std::iter::once(record.text.prompt_text.as_deref().unwrap_or_default())
        .chain(segments)
        .collect()
}

fn ids(record: &CaseRecord) -> Vec<&[i64]> {
    let segments = record.text.segments.iter().map(|s| &*s.ids);
    std::iter::once(&*record.text.prompt_ids)
        .chain(segments)
        .collect()
}

fn token_lists(reference: &[&[i64]], candidate: &[&[i64]]) -> ValueDiff {
    let n = reference.len().max(candidate.len());
    let mut measures = Measures::new();
    measures.insert(
        Metric::CountDifference,
        Value(reference.len().abs_diff(candidate.len()) as f64),
    );
    let at = |lists: &[&[i64]], i: usize| lists.get(i).map(|l| l.to_vec()).unwrap_or_default();
    let mut lists = Vec::with_capacity(n);
    for i in 0..n {
        let mut diff = tokens::diff(&at(reference, i), &at(candidate, i));
        for (metric, value) in std::mem::take(&mut diff.measures) {
            measures.entry(metric).or_insert(Value(0.0)).0 += value.0;
        }
        lists.push(diff);
    }
    let nothing = |lists: &[&[i64]]| lists.iter().all(|list| list.is_empty());
    ValueDiff {
        empty: nothing(reference) && nothing(candidate),
        measures,
        detail: Some(Detail::Tokens { lists }),
        ..ValueDiff::default()
    }
}

fn speech(reference: &CaseRecord, candidate: &CaseRecord, noise: Option<&Noise>) -> ValueDiff {
    let (r, c) = (&reference.audio, &candidate.audio);
    let mut diff = sound(r, c);
    if let (true, Some(noise)) = (r.len() == c.len() && !r.is_empty(), noise) {
        let error = r
            .iter()
            .zip(c)
            .map(|(r, c)| (f64::from(*r) - f64::from(*c)).powi(2));
        let rms = (error.sum::<f64>() / r.len() as f64).sqrt();
        diff.measures
            .insert(Metric::NoiseRatio, Value(ratio(rms, noise.rms)));
    }
    diff
}

fn sound(reference: &[f32], candidate: &[f32]) -> ValueDiff {
    let mut diff = audio::diff(reference, candidate, SAMPLE_RATE);
    let measures = std::mem::take(&mut diff.measures);
    ValueDiff {
        fault: not_finite("samples", reference, candidate),
        empty: reference.is_empty() && candidate.is_empty(),
        measures,
        detail: Some(Detail::Audio(diff)),
        ..ValueDiff::default()
    }
}

/// A fault that no equality excuses: NaN agrees with nothing, least of all with NaN.
fn not_finite(what: &str, reference: &[f32], candidate: &[f32]) -> Option<String> {
    match (count_non_finite(candidate), count_non_finite(reference)) {
        (0, 0) => None,
        (0, count) => Some(format!(
            "{count} {what} of the reference are NaN or infinite"
        )),
        (count, _) => Some(format!("{count} {what} are NaN or infinite")),
    }
}

fn arrays(
    reference: &CaseRecord,
    candidate: &CaseRecord,
    key: &Key,
    (r, c): (&Array, &Array),
    noise: Option<&Noise>,
) -> ValueDiff {
    if r.dtype() != c.dtype() {
        return fault(format!("{} instead of {}", c.dtype(), r.dtype()));
    }
    let (Some(rv), Some(cv)) = (r.as_f32(), c.as_f32()) else {
        let mut diff = token_lists(
            &[r.as_i64().unwrap_or_default()],
            &[c.as_i64().unwrap_or_default()],
        );
        note_choice(&mut diff, reference, candidate, key);
        return diff;
    };
    if key.stage.kind() == ValueKind::Logits && key.tap.is_none() {
        return logit_tables(reference, candidate, key, (r, c), noise);
    }
    let is_sound = key.stage.kind() == ValueKind::Audio && key.tap.is_none();
    let mut diff = if is_sound {
        sound(rv, cv)
    } else {
        ValueDiff::default()
    };
    if r.shape() != c.shape() {
        diff.fault = Some(format!("shape {:?} instead of {:?}", c.shape(), r.shape()));
        return diff;
    }
    let time_axis = if key.tap.is_none() {
        key.stage.time_axis()
    } else {
        None
    };
    add_tensor(diff, r.shape(), (rv, cv), time_axis, noise)
}

/// Adds a tensor's measures to the other measures of a value.
fn add_tensor(
    mut diff: ValueDiff,
    shape: &[usize],
    (r, c): (&[f32], &[f32]),
    time_axis: Option<usize>,
    noise: Option<&Noise>,
) -> ValueDiff {
    let mut tensor = match tensor::diff(shape, r, c, time_axis, noise) {
        Ok(tensor) => tensor,
        Err(reason) => {
            return ValueDiff {
                fault: Some(reason),
                ..diff
            };
        }
    };
    diff.measures.append(&mut tensor.measures);
    diff.empty = r.is_empty();
    diff.fault = diff.fault.or_else(|| not_finite("values", r, c));
    diff.detail.get_or_insert(Detail::Tensor(tensor));
    diff
}

fn logit_tables(
    reference: &CaseRecord,
    candidate: &CaseRecord,
    key: &Key,
    (r, c): (&Array, &Array),
    noise: Option<&Noise>,
) -> ValueDiff {
    let rows = Key {
        stage: Stage::LlmLogitRows,
        ..key.clone()
    };
    let (Some(r), Some(c)) = (table(reference, &rows, r), table(candidate, &rows, c)) else {
        return fault("the logits do not fit the positions in llm.logit_rows");
    };
    let mut logits = match logits::diff(r, c) {
        Ok(logits) => logits,
        Err(reason) => return fault(reason),
    };
    let measures = std::mem::take(&mut logits.measures);
    let matched: Vec<f32> = r
        .positions
        .iter()
        .filter_map(|&p| c.row(p))
        .flatten()
        .copied()
        .collect();
    let shape = [r.positions.len(), r.width];
    let diff = ValueDiff {
        measures,
        detail: Some(Detail::Logits(logits)),
        ..ValueDiff::default()
    };
    add_tensor(diff, &shape, (r.values, &matched), Some(0), noise)
}

/// Logits with their positions; `None` if their numbers differ.
fn table<'a>(record: &'a CaseRecord, rows: &Key, logits: &'a Array) -> Option<Table<'a>> {
    let positions = record.tensors.get(rows)?.as_i64()?;
    let &[height, width] = logits.shape() else {
        return None;
    };
    let values = logits.as_f32()?;
    (height == positions.len()).then_some(Table {
        positions,
        values,
        width,
    })
}

/// Adds how likely both tokens were at the first mismatch of sampled tokens, and how the candidate
/// drew its own, if that was recorded.
fn note_choice(diff: &mut ValueDiff, reference: &CaseRecord, candidate: &CaseRecord, key: &Key) {
    let Some(Detail::Tokens { lists }) = &mut diff.detail else {
        return;
    };
    let Some(mismatch) = lists.first_mut().and_then(|l| l.first_mismatch.as_mut()) else {
        return;
    };
    if key.stage != Stage::LlmTokens {
        return;
    }
    let Some(segment) = key.segment else {
        return;
    };
    let draw = candidate.tensors.get(&key.clone().tap(DRAW_TAP));
    mismatch.draw = draw.and_then(|d| tokens::DrawRecord::from_values(d.as_f32()?));

    // A list that ends here was ended by a mark, which was sampled like any other token.
    let stop = |record: &CaseRecord| {
        let mark = record
            .tensors
            .get(&Key::segment(Stage::LlmStop, segment))?
            .as_i64()?
            .first()
            .copied();
        mark.filter(|m| *m >= 0)
    };
    let (Some(r), Some(c)) = (
        mismatch.reference.or_else(|| stop(reference)),
        mismatch.candidate.or_else(|| stop(candidate)),
    ) else {
        return;
    };
    let (rows, logits) = (
        Key::segment(Stage::LlmLogitRows, segment),
        Key::segment(Stage::LlmLogits, segment),
    );
    let kept = reference
        .tensors
        .get(&logits)
        .and_then(|l| table(reference, &rows, l));
    let kept = kept.and_then(|t| t.row(i64::try_from(mismatch.position).ok()?));
    let own = candidate
        .tensors
        .get(&logits.tap(MISMATCH_TAP))
        .and_then(Array::as_f32);
    let known = kept
        .map(|row| (Whose::Reference, row))
        .or_else(|| own.map(|row| (Whose::Candidate, row)));
    mismatch.choice = known.and_then(|(whose, row)| tokens::choice(whose, row, r, c));
}
