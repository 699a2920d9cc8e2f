use crate::array::{Array, Data};
use crate::recording::{CaseRecord, Recording};
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

/// Changes the first value of a stage in every candidate that has it.
pub(super) fn edit(sides: &mut Sides, stage: Stage, f: impl Fn(&Array) -> Option<Array>) -> bool {
    let mut planted = false;
    for recording in [&mut sides.isolated, &mut sides.cascaded] {
        let arrays = recording
            .cases
            .values_mut()
            .flat_map(|c| c.tensors.iter_mut());
        let first = arrays
            .into_iter()
            .find(|(k, a)| k.stage == stage && !a.is_empty());
        let changed = first.and_then(|(_, array)| f(array).map(|new| (array, new)));
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

/// Moves everything after a stream's first chunk by a hop of the vocoder's transform.
pub(super) fn seam(sides: &mut Sides) -> bool {
    const HOP: usize = 4;
    let streamed = sides.cascaded.cases.values_mut().find_map(|case| {
        let chunks = case.tensors.get(&Key::whole(Stage::SpeechChunks))?;
        let first = usize::try_from(*chunks.as_i64()?.first()?).ok()?;
        case.audio.get_mut(first..).filter(|rest| rest.len() > HOP)
    });
    streamed.map(|rest| rest.rotate_right(HOP)).is_some()
}

pub(super) fn sound(sides: &mut Sides, f: impl Fn(&mut Vec<f32>)) -> bool {
    let with_sound = sides
        .cascaded
        .cases
        .values_mut()
        .find(|c| !c.audio.is_empty());
    with_sound.map(|c| f(&mut c.audio)).is_some()
}

pub(super) fn remove(sides: &mut Sides, stage: Stage) -> bool {
    let mut removed = 0;
    for recording in [&mut sides.isolated, &mut sides.cascaded] {
        for case in recording.cases.values_mut() {
            removed += usize::from(case.tensors.remove(&Key::segment(stage, 0)).is_some());
        }
    }
    removed > 0
}

pub(super) fn transposed(array: &Array) -> Option<Array> {
    let (&[rows, columns], values) = (array.shape(), array.as_f32()?) else {
        return None;
    };
    let flipped = (0..columns).flat_map(|c| (0..rows).map(move |r| values[r * columns + c]));
    Array::f32([columns, rows], flipped.collect()).ok()
}

pub(super) fn truncated(array: &Array) -> Option<Array> {
    match array.data() {
        Data::F32(v) => Some(Array::vector(v[..v.len() - 1].to_vec())),
        Data::I64(_) => None,
    }
}

/// Adds uniform noise with `share` of the signal's RMS.
pub(super) fn add_noise(values: &mut [f32], share: f32) {
    let power = values.iter().map(|x| x * x).sum::<f32>() / values.len().max(1) as f32;
    let scale = share * power.sqrt().max(1e-3) * 12f32.sqrt();
    let mut rng = native::torch_rng::TorchRng::new(1, Default::default());
    values
        .iter_mut()
        .for_each(|x| *x += scale * (rng.uniform_f32() - 0.5));
}
