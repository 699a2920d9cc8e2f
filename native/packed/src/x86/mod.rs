//! Kernels in the instructions of x86-64.
//!
//! All that is unsafe about them is which processors have the instructions, and that vectors are
//! read and written through pointers: every function says which it needs, and takes its operands as
//! slices or arrays of the length that it reads.

pub(crate) mod bf16;
pub(crate) mod bytes;
pub(crate) mod nibbles;
pub(crate) mod tiles;

use std::arch::x86_64::{
    __m512, __m512i, _mm512_add_ps, _mm512_loadu_si512, _mm512_mask_storeu_ps,
    _mm512_maskz_loadu_ps,
};

use crate::panel::PANEL;

/// A vector of words.
#[inline]
#[target_feature(enable = "avx512f")]
fn load(words: &[u32; PANEL]) -> __m512i {
    // SAFETY: the array has the vector's size, and the load needs no alignment.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

/// Adds a vector to the first elements of `out`, or as many as there are.
#[inline]
#[target_feature(enable = "avx512f")]
fn add_to(out: &mut [f32], sums: __m512) {
    let mask = match out.len() {
        PANEL.. => u16::MAX,
        few => (1 << few) - 1,
    };
    // SAFETY: the mask keeps both accesses inside `out`, and neither needs alignment.
    unsafe {
        let present = _mm512_maskz_loadu_ps(mask, out.as_ptr());
        _mm512_mask_storeu_ps(out.as_mut_ptr(), mask, _mm512_add_ps(present, sums));
    }
}

/// Rows of the tiles in which so many rows are computed. A last tile may have rows to spare.
fn height(rows: usize) -> usize {
    match rows {
        0..=2 => rows.max(1),
        3..=4 => 4,
        5..=8 => 8,
        _ => 12,
    }
}
