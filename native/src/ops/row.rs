//! What decoding does to a single row, in float32 on the CPU.

use crate::ops::math::{exp, maximum, sum};
use crate::ops::simd::vectorized;

/// Lanes in which products are summed.
const LANES: usize = 16;

/// `gate` becomes SiLU(gate) · up.
pub(crate) fn swiglu(gate: &mut [f32], up: &[f32]) {
    vectorized(|| {
        for (gate, up) in gate.iter_mut().zip(up) {
            *gate = *gate / (1.0 + exp(-*gate)) * up;
        }
    });
}

/// Adds `other` to `x`.
pub(crate) fn add(x: &mut [f32], other: &[f32]) {
    for (x, other) in x.iter_mut().zip(other) {
        *x += other;
    }
}

/// Rotates the halves of every head of `x` against each other, by angles whose cosines and sines
/// are given, one for each element of a half.
pub(crate) fn rotate_halves(x: &mut [f32], cos: &[f32], sin: &[f32]) {
    for head in x.chunks_exact_mut(2 * cos.len().max(1)) {
        let (first, second) = head.split_at_mut(cos.len());
        for ((a, b), (cos, sin)) in first.iter_mut().zip(second).zip(cos.iter().zip(sin)) {
            (*a, *b) = (*a * cos - *b * sin, *a * sin + *b * cos);
        }
    }
}

/// Keys or values of one head, position by position.
#[derive(Clone, Copy)]
pub(crate) struct Head<'a> {
    /// [positions, width].
    pub(crate) rows: &'a [f32],
    pub(crate) width: usize,
}

/// What the queries [heads, width] of one group see: their shared `keys` and `values`, weighted by the
/// softmax of the scaled products. `out` has the shape of the queries.
pub(crate) fn row_attention(queries: &[f32], keys: Head<'_>, values: Head<'_>, out: &mut [f32]) {
    let width = keys.width.max(1);
    let scale = (width as f32).sqrt().recip();
    let mut weights = vec![0f32; keys.rows.len() / width];
    let heads = queries.chunks_exact(width).zip(out.chunks_exact_mut(width));
    for (query, out) in heads {
        vectorized(|| {
            for (weight, key) in weights.iter_mut().zip(keys.rows.chunks_exact(width)) {
                *weight = dot(query, key) * scale;
            }
            let largest = maximum(&weights);
            for weight in &mut weights {
                *weight = exp(*weight - largest);
            }
            let total = sum(&weights);
            out.fill(0.0);
            for (weight, value) in weights.iter().zip(values.rows.chunks_exact(width)) {
                for (out, value) in out.iter_mut().zip(value) {
                    *out += weight * value;
                }
            }
            for out in out.iter_mut() {
                *out /= total;
            }
        });
    }
}

#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0f32; LANES];
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a.iter().zip(b) {
        for i in 0..LANES {
            lanes[i] += a[i] * b[i];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    lanes.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(n: usize, step: f32) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * step).sin()).collect()
    }

    #[test]
    fn swiglu_and_rotation_are_what_they_are_called() {
        let (mut gate, up) = (vec![-1.5, 0.0, 2.0], [2.0, 3.0, -1.0]);
        let want =
            gate.clone().into_iter().zip(up).map(|(g, u): (f32, f32)| {
                f64::from(g) / (1.0 + f64::from(-g).exp()) * f64::from(u)
            });
        let want: Vec<f64> = want.collect();
        swiglu(&mut gate, &up);
        for (got, want) in gate.iter().zip(want) {
            assert!((f64::from(*got) - want).abs() < 1e-6);
        }
        let mut x = [1.0, 0.0, 0.0, 1.0];
        rotate_halves(&mut x, &[0.0, 1.0], &[1.0, 0.0]);
        assert_eq!(x, [0.0, 0.0, 1.0, 1.0]);
    }

    #[test]
    fn attention_agrees_with_float64() {
        for (positions, width, heads) in [(1, 4, 1), (7, 24, 3), (200, 64, 7)] {
            let queries = wave(heads * width, 0.7);
            let (keys, values) = (wave(positions * width, 0.31), wave(positions * width, 0.17));
            let mut out = vec![0.0; heads * width];
            let head = |rows| Head { rows, width };
            row_attention(&queries, head(&keys), head(&values), &mut out);
            for (query, out) in queries.chunks(width).zip(out.chunks(width)) {
                let product = |key: &[f32]| -> f64 {
                    let terms = query.iter().zip(key);
                    terms.map(|(&q, &k)| f64::from(q) * f64::from(k)).sum()
                };
                let weights: Vec<f64> = keys
                    .chunks(width)
                    .map(|key| (product(key) / (width as f64).sqrt()).exp())
                    .collect();
                let total: f64 = weights.iter().sum();
                for (i, &got) in out.iter().enumerate() {
                    let rows = weights.iter().zip(values.chunks(width));
                    let want: f64 = rows.map(|(w, v)| w * f64::from(v[i])).sum();
                    assert!((f64::from(got) - want / total).abs() < 2e-6);
                }
            }
        }
    }
}
