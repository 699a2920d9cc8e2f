//! Attention of one head on the CPU, as two products with packed matrices.

use packed_linear::{Format, PackedLinear, Source};
use pulp::NullaryFnOnce;

use crate::ops::math::{exp, maximum, sum};

/// Queries whose scores are held at once.
const QUERIES: usize = 256;
/// Keys are padded to a multiple of this, which every kernel of a product serves.
const KEYS: usize = 32;

/// What every query of a head sees, [frames, width]: the values, weighted by the softmax of the
/// scaled products of the query and the keys. All are [frames, width]; query `i` sees the first
/// `seen(i)` frames.
pub(super) fn attend(
    q: &[f32],
    k: &[f32],
    v: &[f32],
    width: usize,
    format: Format,
    seen: impl Fn(usize) -> usize,
) -> Vec<f32> {
    let frames = k.len() / width;
    let padded = frames.next_multiple_of(KEYS);
    let mut keys = k.to_vec();
    keys.resize(padded * width, 0.0);
    let keys = PackedLinear::new(format, Source::F32(&keys), None, width);
    let mut values = vec![0f32; width * padded];
    for (frame, row) in v.chunks_exact(width).enumerate() {
        for (column, &value) in values.chunks_exact_mut(padded).zip(row) {
            column[frame] = value;
        }
    }
    let values = PackedLinear::new(format, Source::F32(&values), None, padded);
    let mut out = vec![0f32; q.len()];
    let blocks = q
        .chunks(QUERIES * width)
        .zip(out.chunks_mut(QUERIES * width));
    let mut scores = vec![0f32; QUERIES.min(frames) * padded];
    for (block, (q, out)) in blocks.enumerate() {
        let scores = &mut scores[..q.len() / width * padded];
        keys.run_into(q, scores, None);
        let mut sums = Vec::with_capacity(QUERIES);
        for (i, row) in scores.chunks_exact_mut(padded).enumerate() {
            let seen = seen(block * QUERIES + i).min(frames);
            let (row, rest) = row.split_at_mut(seen);
            rest.fill(0.0);
            sums.push(pulp::Arch::new().dispatch(Softmax { row, width }));
        }
        values.run_into(scores, out, None);
        for (row, sum) in out.chunks_exact_mut(width).zip(sums) {
            for value in row {
                *value /= sum;
            }
        }
    }
    out
}

/// Replaces a row of scores by the numerators of its softmax, and returns the denominator.
struct Softmax<'a> {
    row: &'a mut [f32],
    width: usize,
}

impl NullaryFnOnce for Softmax<'_> {
    type Output = f32;

    #[inline(always)]
    fn call(self) -> f32 {
        let scale = (self.width as f32).sqrt().recip();
        let largest = maximum(self.row);
        for score in self.row.iter_mut() {
            *score = exp((*score - largest) * scale);
        }
        sum(self.row)
    }
}
