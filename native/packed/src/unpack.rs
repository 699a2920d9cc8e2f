//! Packed weights to float32, in vectors of any width.

use std::marker::PhantomData;

use pulp::{Simd, WithSimd};

use crate::panel::{PANEL, PanelRow};

/// Vectors of a panel, for the narrowest vectors; others use the first of them.
const MOST_VECTORS: usize = PANEL;

/// How weights lie in a word.
pub(crate) trait Unpack {
    /// Inputs of a word.
    const INPUTS: usize;

    /// The weights of input `i` of a vector of words, without their scale.
    fn unpack<S: Simd>(simd: S, words: S::u32s, i: usize) -> S::f32s;
}

/// Two bfloat16.
pub(crate) struct Halves;

impl Unpack for Halves {
    const INPUTS: usize = 2;

    #[inline(always)]
    fn unpack<S: Simd>(simd: S, words: S::u32s, i: usize) -> S::f32s {
        simd.transmute_f32s_u32s(match i {
            0 => simd.wrapping_dyn_shl_u32s(words, simd.splat_u32s(16)),
            _ => simd.and_u32s(words, simd.splat_u32s(0xffff_0000)),
        })
    }
}

/// Four bytes, each 128 above its weight.
pub(crate) struct Bytes;

impl Unpack for Bytes {
    const INPUTS: usize = 4;

    #[inline(always)]
    fn unpack<S: Simd>(simd: S, words: S::u32s, i: usize) -> S::f32s {
        lowest::<S>(simd, words, 8 * i as u32, 0xff, crate::int8::OFFSET)
    }
}

/// Eight half bytes, each 8 above its weight: the lower halves of all bytes, then the upper ones.
pub(crate) struct Nibbles;

impl Unpack for Nibbles {
    const INPUTS: usize = 8;

    #[inline(always)]
    fn unpack<S: Simd>(simd: S, words: S::u32s, i: usize) -> S::f32s {
        let shift = 8 * (i % 4) + 4 * (i / 4);
        lowest::<S>(simd, words, shift as u32, 0xf, crate::int4::OFFSET)
    }
}

/// The masked bits from `shift` on, less `offset`, as numbers: put into the lowest digits of 2²³,
/// they need no conversion.
#[inline(always)]
fn lowest<S: Simd>(simd: S, words: S::u32s, shift: u32, mask: u32, offset: i32) -> S::f32s {
    const BASE: f32 = 8_388_608.0; // 2²³
    let shifted = match shift {
        0 => words,
        _ => simd.wrapping_dyn_shr_u32s(words, simd.splat_u32s(shift)),
    };
    let bits = simd.and_u32s(shifted, simd.splat_u32s(mask));
    let bits = simd.or_u32s(bits, simd.splat_u32s(BASE.to_bits()));
    let base = simd.splat_f32s(BASE + offset as f32);
    simd.sub_f32s(simd.transmute_f32s_u32s(bits), base)
}

/// Expands the words of some inputs, with a scale for each output if there is one.
pub(crate) struct Expansion<'a, U> {
    pub(crate) words: &'a [[u32; PANEL]],
    pub(crate) scales: Option<&'a [f32; PANEL]>,
    pub(crate) scratch: &'a mut [PanelRow],
    pub(crate) layout: PhantomData<U>,
}

impl<U: Unpack> WithSimd for Expansion<'_, U> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for v in 0..PANEL / S::F32_LANES {
            let scale = self.scales.map(|scales| S::as_simd_f32s(scales).0[v]);
            let rows = self.scratch.chunks_exact_mut(U::INPUTS);
            for (rows, words) in rows.zip(self.words) {
                let words = S::as_simd_u32s(words).0[v];
                for (i, row) in rows.iter_mut().enumerate() {
                    let weights = U::unpack(simd, words, i);
                    S::as_mut_simd_f32s(&mut row.0).0[v] = match scale {
                        Some(scale) => simd.mul_f32s(weights, scale),
                        None => weights,
                    };
                }
            }
        }
    }
}

/// The products of one row of inputs with a panel, block by block.
pub(crate) struct OneRow<'a, U, B> {
    /// The words of each block, and the scales of its outputs if there are any.
    pub(crate) blocks: B,
    /// Inputs of a block; the last one may have fewer.
    pub(crate) block: usize,
    pub(crate) x: &'a [f32],
    pub(crate) layout: PhantomData<U>,
}

impl<'a, U, B> WithSimd for OneRow<'_, U, B>
where
    U: Unpack,
    B: Iterator<Item = (&'a [[u32; PANEL]], Option<[f32; PANEL]>)>,
{
    type Output = [f32; PANEL];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [f32; PANEL] {
        let mut totals = [0f32; PANEL];
        for (x, (words, scales)) in self.x.chunks(self.block).zip(self.blocks) {
            let sums = block_sums::<S, U>(simd, x, words);
            let outs = S::as_mut_simd_f32s(&mut totals).0.iter_mut().zip(sums);
            match scales {
                Some(scales) => {
                    for ((total, sum), scale) in outs.zip(S::as_simd_f32s(&scales).0) {
                        *total = simd.mul_add_e_f32s(sum, *scale, *total);
                    }
                }
                None => {
                    for (total, sum) in outs {
                        *total = simd.add_f32s(*total, sum);
                    }
                }
            }
        }
        totals
    }
}

/// The sums of a block, of which the first vectors are filled.
#[inline(always)]
fn block_sums<S: Simd, U: Unpack>(
    simd: S,
    x: &[f32],
    words: &[[u32; PANEL]],
) -> [S::f32s; MOST_VECTORS] {
    let vectors = PANEL / S::F32_LANES;
    // Two sums in turns, as each addition waits for the one before it.
    let mut sums = [[simd.splat_f32s(0.0); MOST_VECTORS]; 2];
    let inputs = x.chunks_exact(U::INPUTS);
    let rest = inputs.remainder();
    for (x, words) in inputs.zip(words) {
        let words = S::as_simd_u32s(words).0;
        for i in 0..U::INPUTS {
            let x = simd.splat_f32s(x[i]);
            for v in 0..vectors {
                let weights = U::unpack(simd, words[v], i);
                sums[i % 2][v] = simd.mul_add_e_f32s(weights, x, sums[i % 2][v]);
            }
        }
    }
    if let (false, Some(words)) = (rest.is_empty(), words.get(x.len() / U::INPUTS)) {
        let words = S::as_simd_u32s(words).0;
        for (i, &x) in rest.iter().enumerate() {
            let x = simd.splat_f32s(x);
            for v in 0..vectors {
                let weights = U::unpack(simd, words[v], i);
                sums[0][v] = simd.mul_add_e_f32s(weights, x, sums[0][v]);
            }
        }
    }
    let [mut totals, others] = sums;
    for v in 0..vectors {
        totals[v] = simd.add_f32s(totals[v], others[v]);
    }
    totals
}
