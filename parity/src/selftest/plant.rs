use crate::array::{Array, Data};
use crate::recording::{CaseRecord, Recording, SegmentText};
use crate::stage::{Key, Stage};

/// A golden and the candidates in which faults are planted; without faults they are equal.
#[derive(Clone)]
pub(super) struct Sides {
    pub(super) golden: Recording,
    pub(super) isolated: Recording,
    pub(super) cascaded: Recording,
}

/// Changes the first case of both candidates that has a place for it.
pub(super) fn records(sides: &mut Sides, f: impl Fn(&mut CaseRecord) -> bool) -> bool {
    let candidates = [&mut sides.isolated, &mut sides.cascaded];
    let planted = candidates.map(|r| r.cases.values_mut().any(&f));
    planted.contains(&true)
}

/// Changes the first segment's text of both candidates that has a place for it.
pub(super) fn segment(sides: &mut Sides, f: impl Fn(&mut SegmentText) -> bool) -> bool {
    records(sides, |r| r.text.segments.iter_mut().any(&f))
}

/// Changes the first value of a stage in every candidate that has a place for it. A change that
/// leaves the value as it is is none.
pub(super) fn edit(sides: &mut Sides, stage: Stage, f: impl Fn(&Array) -> Option<Array>) -> bool {
    let mut planted = false;
    for recording in [&mut sides.isolated, &mut sides.cascaded] {
        let cases = recording.cases.values_mut();
        let arrays = cases.flat_map(|c| c.tensors.iter_mut());
        let mut places =
            arrays.filter(|(k, a)| k.stage == stage && k.tap.is_none() && !a.is_empty());
        let changed = places.find_map(|(_, array)| {
            let new = f(array).filter(|new| new != array)?;
            Some((array, new))
        });
        if let Some((array, new)) = changed {
            *array = new;
            planted = true;
        }
    }
    planted
}

pub(super) fn floats(sides: &mut Sides, stage: Stage, f: impl Fn(&mut Vec<f32>)) -> bool {
    edit(sides, stage, |array| {
        let mut values = array.as_f32()?.to_vec();
        f(&mut values);
        Array::f32(array.shape().to_vec(), values).ok()
    })
}

/// Changes each row of a table.
pub(super) fn rows(sides: &mut Sides, stage: Stage, f: impl Fn(&mut [f32])) -> bool {
    edit(sides, stage, |array| {
        let &[_, width] = array.shape() else {
            return None;
        };
        let mut values = array.as_f32()?.to_vec();
        values.chunks_mut(width.max(1)).for_each(&f);
        Array::f32(array.shape().to_vec(), values).ok()
    })
}

pub(super) fn tokens(sides: &mut Sides, stage: Stage, f: impl Fn(&mut Vec<i64>) -> bool) -> bool {
    edit(sides, stage, |array| {
        let mut values = array.as_i64()?.to_vec();
        f(&mut values).then(|| Array::ids(values))
    })
}

/// Replaces the last token by another one.
pub(super) fn swapped(tokens: &mut [i64]) -> bool {
    tokens.last_mut().map(|t| *t = (*t + 1) % 6561).is_some()
}

/// Plants a fault, and takes it out of the isolated recording again.
pub(super) fn in_cascaded(sides: &mut Sides, plant: impl Fn(&mut Sides) -> bool) -> bool {
    let isolated = sides.isolated.clone();
    let planted = plant(sides);
    sides.isolated = isolated;
    planted
}

/// Moves a tensor by one frame along its time axis; its last frame becomes the first.
pub(super) fn late(sides: &mut Sides, stage: Stage) -> bool {
    edit(sides, stage, |array| {
        let (&[height, width], values) = (array.shape(), array.as_f32()?) else {
            return None;
        };
        let along = stage.time_axis()?;
        let from = |row: usize, column: usize| match along {
            0 => (row + height - 1) % height * width + column,
            _ => row * width + (column + width - 1) % width,
        };
        let places = (0..height).flat_map(|r| (0..width).map(move |c| (r, c)));
        let moved = places.map(|(r, c)| values[from(r, c)]).collect();
        Array::f32([height, width], moved).ok()
    })
}

/// Puts a stage's value in the place of another one's.
pub(super) fn copied(sides: &mut Sides, from: Stage, to: Stage) -> bool {
    let mut planted = false;
    for recording in [&mut sides.isolated, &mut sides.cascaded] {
        let copied = recording.cases.values_mut().any(|case| {
            let key = Key::segment(from, 0);
            let Some(value) = case.tensors.get(&key).cloned() else {
                return false;
            };
            let place = case.tensors.get_mut(&Key::segment(to, 0));
            place.is_some_and(|old| {
                let differs = *old != value;
                *old = value;
                differs
            })
        });
        planted |= copied;
    }
    planted
}

/// Moves everything after a stream's first chunk by a hop of the vocoder's transform.
pub(super) fn seam(sides: &mut Sides) -> bool {
    const HOP: usize = 4;
    let streamed = sides.cascaded.cases.values_mut().find_map(|case| {
        let (first, _) = ends_of_chunks(case)?;
        case.audio.get_mut(first..).filter(|rest| rest.len() > HOP)
    });
    streamed.map(|rest| rest.rotate_right(HOP)).is_some()
}

/// Ends a stream's sound where its last chunk began.
pub(super) fn last_chunk_dropped(sides: &mut Sides) -> bool {
    let mut cases = sides.cascaded.cases.values_mut();
    let dropped = cases.find_map(|case| {
        let (_, last) = ends_of_chunks(case)?;
        let length = case.audio.len().checked_sub(last)?;
        (last > 0).then(|| case.audio.truncate(length))
    });
    dropped.is_some()
}

/// Samples of the first and the last chunk of a stream.
fn ends_of_chunks(case: &CaseRecord) -> Option<(usize, usize)> {
    let chunks = case.tensors.get(&Key::whole(Stage::SpeechChunks))?;
    let samples = |chunk: Option<&i64>| usize::try_from(*chunk?).ok();
    let chunks = chunks.as_i64()?;
    Some((samples(chunks.first())?, samples(chunks.last())?))
}

pub(super) fn sound(sides: &mut Sides, f: impl Fn(&mut Vec<f32>)) -> bool {
    let mut cases = sides.cascaded.cases.values_mut();
    let with_sound = cases.find(|c| !c.audio.is_empty());
    with_sound.map(|c| f(&mut c.audio)).is_some()
}

/// Removes a stage's first value from the first case of both candidates that has it.
pub(super) fn remove(sides: &mut Sides, stage: Stage) -> bool {
    let key = if stage.per_segment() {
        Key::segment(stage, 0)
    } else {
        Key::whole(stage)
    };
    records(sides, |case| case.tensors.remove(&key).is_some())
}

pub(super) fn transposed(array: &Array) -> Option<Array> {
    let (&[rows, columns], values) = (array.shape(), array.as_f32()?) else {
        return None;
    };
    let flipped = (0..columns).flat_map(|c| (0..rows).map(move |r| values[r * columns + c]));
    Array::f32([columns, rows], flipped.collect()).ok()
}

/// A list of floats without its last values.
pub(super) fn truncated(array: &Array, without: usize) -> Option<Array> {
    match array.data() {
        Data::F32(v) => Some(Array::vector(v[..v.len() - without].to_vec())),
        Data::I64(_) => None,
    }
}

/// A table without its last rows (axis 0) or columns (axis 1).
pub(super) fn shortened(array: &Array, axis: usize, without: usize) -> Option<Array> {
    let (&[rows, columns], values) = (array.shape(), array.as_f32()?) else {
        return None;
    };
    let (height, width) = match axis {
        0 => (rows.checked_sub(without)?, columns),
        _ => (rows, columns.checked_sub(without)?),
    };
    let kept = values.chunks(columns.max(1)).take(height);
    let kept = kept.flat_map(|row| &row[..width]).copied().collect();
    Array::f32([height, width], kept).ok()
}

/// Turns a vector away from itself, to a cosine, at the same length.
pub(super) fn turned(values: &mut [f32], cosine: f32) {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let power = dot(values, values);
    let mut other = vec![0.0; values.len()];
    add_noise(&mut other, 1.0);
    let along = dot(&other, values) / power;
    let across: Vec<f32> = other
        .iter()
        .zip(&*values)
        .map(|(o, v)| o - along * v)
        .collect();
    let scale = ((1.0 - cosine * cosine) * power / dot(&across, &across)).sqrt();
    for (value, across) in values.iter_mut().zip(across) {
        *value = cosine * *value + scale * across;
    }
}

/// Adds uniform noise with `share` of the signal's RMS.
pub(super) fn add_noise(values: &mut [f32], share: f32) {
    let scale = share * level(values).max(1e-3) * 12f32.sqrt();
    let mut rng = native::torch_rng::TorchRng::new(1, Default::default());
    values
        .iter_mut()
        .for_each(|x| *x += scale * (rng.uniform_f32() - 0.5));
}

/// Adds a constant of a twentieth of the signal's RMS.
pub(super) fn offset(values: &mut [f32]) {
    let constant = 0.05 * level(values).max(1e-3);
    values.iter_mut().for_each(|x| *x += constant);
}

/// Cuts off what is louder than half of the peak.
pub(super) fn clipped(values: &mut [f32]) {
    let most = 0.5 * values.iter().fold(0.0, |most: f32, x| most.max(x.abs()));
    values.iter_mut().for_each(|x| *x = x.clamp(-most, most));
}

/// Rounds to the 10 bits of the mantissa of a 16-bit float.
pub(super) fn half_precision(values: &mut [f32]) {
    let round = |x: f32| f32::from_bits(x.to_bits().wrapping_add(1 << 12) & !((1 << 13) - 1));
    values.iter_mut().for_each(|x| *x = round(*x));
}

fn level(values: &[f32]) -> f32 {
    let power: f32 = values.iter().map(|x| x * x).sum();
    (power / values.len().max(1) as f32).sqrt()
}
