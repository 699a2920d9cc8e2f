//! Products of 4-bit weights with 8-bit inputs, with AVX512-VNNI.

use std::arch::x86_64::{
    __m256i, __m512, _mm256_loadu_si256, _mm512_add_epi32, _mm512_and_si512, _mm512_castsi512_ps,
    _mm512_cvtepi32_ps, _mm512_cvtepu16_epi32, _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_mul_ps,
    _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps, _mm512_slli_epi32, _mm512_srli_epi32,
};

use super::{add_to, load};
use crate::int4::{BLOCK, Block, OFFSET, Panels};
use crate::panel::PANEL;
use crate::rows::{self, Bytes};
use crate::tasks::{Cut, Kernel, TASK_OUTPUTS, Task};

/// More rows are faster in float32, where the weights are expanded once for all of them.
pub(crate) const MOST_ROWS: usize = 8;
/// Words of inputs in a block: four inputs each.
const INPUT_WORDS: usize = BLOCK / 4;

/// Products of half bytes with bytes, for up to [`MOST_ROWS`] rows.
pub(crate) struct Vectors<'a> {
    pub(crate) weights: &'a Panels,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
}

impl Kernel for Vectors<'_> {
    type Rows<'x> = Bytes;

    fn cut(&self, _: usize) -> Cut {
        Cut {
            inputs: self.inputs,
            outputs: self.outputs,
            tile: 1,
            block: MOST_ROWS,
        }
    }

    fn prepare(&self, x: &[f32], parallel: bool) -> Bytes {
        let words = self.weights.length() * INPUT_WORDS;
        rows::in_bytes(x, self.inputs, (words, BLOCK), 1, parallel)
    }

    fn add(&self, x: &Bytes, task: &mut Task<'_>) {
        let last = self.outputs.div_ceil(PANEL) - 1;
        for first in (0..task.outputs()).step_by(TASK_OUTPUTS) {
            let panel = (task.output + first) / PANEL;
            let panels = [panel, (panel + 1).min(last)];
            let panels = panels.map(|panel| self.weights.panel(panel));
            for (r, row) in task.rows.iter_mut().enumerate() {
                // SAFETY: this kernel is only made where the processor has AVX512-VNNI, and with it
                // AVX-512.
                unsafe { add(x, task.row + r, panels, &mut row[first..]) };
            }
        }
    }
}

/// Adds the products of a row with two panels to `out`.
#[target_feature(enable = "avx512f,avx512vnni")]
fn add(x: &Bytes, row: usize, panels: [&[Block]; 2], out: &mut [f32]) {
    let blocks = panels[0].len();
    let (words, _) = x.words[row * blocks * INPUT_WORDS..].as_chunks::<INPUT_WORDS>();
    let (scales, sums) = (&x.scales[row * blocks..], &x.sums[row * blocks..]);
    let mut totals = [_mm512_setzero_ps(); 2];
    let inputs = words.iter().zip(scales).zip(sums);
    for (((words, &scale), &sum), (left, right)) in inputs.zip(panels[0].iter().zip(panels[1])) {
        for (total, block) in totals.iter_mut().zip([left, right]) {
            *total = with_block(*total, words, scale, sum, block);
        }
    }
    let (left, right) = out.split_at_mut(PANEL.min(out.len()));
    add_to(left, totals[0]);
    add_to(right, totals[1]);
}

#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn with_block(
    total: __m512,
    words: &[u32; INPUT_WORDS],
    scale: f32,
    sum: i32,
    block: &Block,
) -> __m512 {
    let half = _mm512_set1_epi32(0x0f0f_0f0f);
    let mut low = _mm512_set1_epi32(-OFFSET * sum);
    let mut high = _mm512_set1_epi32(0);
    for (weights, inputs) in block.words.iter().zip(words.chunks_exact(2)) {
        let weights = load(weights);
        let first = _mm512_and_si512(weights, half);
        let second = _mm512_and_si512(_mm512_srli_epi32(weights, 4), half);
        low = _mm512_dpbusd_epi32(low, first, _mm512_set1_epi32(inputs[0] as i32));
        high = _mm512_dpbusd_epi32(high, second, _mm512_set1_epi32(inputs[1] as i32));
    }
    let sum = _mm512_cvtepi32_ps(_mm512_add_epi32(low, high));
    // SAFETY: the array has the vector's size, and the load needs no alignment.
    let scales = unsafe { _mm256_loadu_si256(block.scales.as_ptr().cast()) };
    let scales = _mm512_mul_ps(widened(scales), _mm512_set1_ps(scale));
    _mm512_fmadd_ps(sum, scales, total)
}

/// The upper halves of float32, as float32.
#[inline]
#[target_feature(enable = "avx512f")]
fn widened(halves: __m256i) -> __m512 {
    _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16))
}
