//! The mels of a case as pictures: each side, their difference, and both along their alignment.

use super::evaluation::heard;
use crate::array::Array;
use crate::diff::align::dtw;
use crate::diff::spectrum::MELS;
use crate::judge::LoadedCase;
use crate::report::model::{AlignedMel, Grid, MelPicture};
use crate::stage::{Feed, Key, Stage};

/// Frames of one segment up to which mels are aligned: a minute. The table of the alignment grows
/// with the product of both lengths.
const LONGEST: usize = 3000;

/// One picture for each segment that both sides have.
pub(super) fn mels(loaded: &LoadedCase<'_>) -> Vec<MelPicture> {
    let Ok(golden) = &loaded.golden else {
        return Vec::new();
    };
    golden
        .keys(Stage::FlowMel)
        .iter()
        .filter_map(|key| mel(loaded, key))
        .collect()
}

fn mel(loaded: &LoadedCase<'_>, key: &Key) -> Option<MelPicture> {
    let golden = loaded.golden.as_ref().ok()?.tensors.get(key)?;
    let (feed, candidate) = heard(loaded, key)?;
    MelPicture::of(golden, candidate, key.segment.unwrap_or(0), feed)
}

impl MelPicture {
    /// Two mels, [channels, frames]. None if one of them is empty.
    pub(in crate::report) fn of(
        golden: &Array,
        candidate: &Array,
        segment: usize,
        feed: Feed,
    ) -> Option<Self> {
        let (r, c) = (golden.as_f32()?, candidate.as_f32()?);
        let finite = || r.iter().chain(c).copied().filter(|x| x.is_finite());
        let (low, high) = (finite().reduce(f32::min)?, finite().reduce(f32::max)?);
        let height = |shape: &[usize]| shape.first().copied().unwrap_or(0);
        let width = |shape: &[usize]| shape.get(1).copied().unwrap_or(0);
        let difference = (golden.shape() == candidate.shape()).then(|| {
            let difference: Vec<f32> = r.iter().zip(c).map(|(r, c)| c - r).collect();
            signed(&difference, height(golden.shape()))
        });
        Some(Self {
            segment,
            feed,
            reference: Grid::new(r, height(golden.shape()), low, high)?,
            candidate: Grid::new(c, height(candidate.shape()), low, high)?,
            reference_frames: width(golden.shape()),
            candidate_frames: width(candidate.shape()),
            difference: difference.flatten(),
            aligned: aligned(golden, candidate, low, high),
        })
    }

    /// Two mels as lists of frames.
    pub(in crate::report) fn of_frames(r: &[[f32; MELS]], c: &[[f32; MELS]]) -> Option<Self> {
        let array = |frames: &[[f32; MELS]]| {
            let row = |channel: usize| frames.iter().filter_map(move |f| f.get(channel).copied());
            Array::f32([MELS, frames.len()], (0..MELS).flat_map(row).collect()).ok()
        };
        Self::of(&array(r)?, &array(c)?, 0, Feed::Cascaded)
    }
}

/// A picture with zero in the middle.
fn signed(values: &[f32], height: usize) -> Option<Grid> {
    let sizes = values.iter().map(|d| d.abs()).filter(|d| d.is_finite());
    let span = sizes.fold(0.0, f32::max).max(f32::MIN_POSITIVE);
    Grid::new(values, height, -span, span)
}

/// Both along their alignment, if their lengths differ.
fn aligned(golden: &Array, candidate: &Array, low: f32, high: f32) -> Option<AlignedMel> {
    let (r, c) = (frames(golden)?, frames(candidate)?);
    let long = r.len().max(c.len()) > LONGEST;
    if r.len() == c.len() || long {
        return None;
    }
    let path = dtw(&r, &c)?.pairs;
    let count = path.len();
    let mut sides = vec![vec![low; count * MELS]; 2];
    let mut difference = vec![0.0; count * MELS];
    let mut before = None;
    for (column, &(i, j)) in path.iter().enumerate() {
        let new_r = before.is_none_or(|(last, _)| last != i);
        let new_c = before.is_none_or(|(_, last)| last != j);
        before = Some((i, j));
        let (r, c) = (r.get(i)?, c.get(j)?);
        for (channel, (r, c)) in r.iter().zip(c).enumerate() {
            let at = channel * count + column;
            for (side, value, new) in [(0, r, new_r), (1, c, new_c)] {
                if let Some(slot) = sides.get_mut(side).and_then(|s| s.get_mut(at)) {
                    *slot = if new { *value } else { low };
                }
            }
            if let (Some(slot), true) = (difference.get_mut(at), new_r && new_c) {
                *slot = c - r;
            }
        }
    }
    Some(AlignedMel {
        reference: Grid::new(sides.first()?, MELS, low, high)?,
        candidate: Grid::new(sides.get(1)?, MELS, low, high)?,
        difference: signed(&difference, MELS)?,
    })
}

/// The columns of a mel, [80, frames]. None if it has other channels, or values that are not
/// finite.
fn frames(mel: &Array) -> Option<Vec<[f32; MELS]>> {
    let (&[MELS, count], values) = (mel.shape(), mel.as_f32()?) else {
        return None;
    };
    if values.iter().any(|x| !x.is_finite()) {
        return None;
    }
    let mut frames = vec![[0.0; MELS]; count];
    for (channel, row) in values.chunks(count.max(1)).enumerate() {
        for (frame, value) in frames.iter_mut().zip(row) {
            *frame.get_mut(channel)? = *value;
        }
    }
    Some(frames)
}
