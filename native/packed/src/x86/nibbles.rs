//! Products of 4-bit weights with 8-bit inputs, with AVX512-VNNI.

use std::arch::x86_64::{
    __m256i, __m512, _mm256_loadu_si256, _mm512_add_epi32, _mm512_and_si512, _mm512_cvtepi32_ps, _mm512_castsi512_ps, _mm512_cvtepu16_epi32,
    _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_mul_ps, _mm512_set1_epi32, _mm512_set1_ps,
    _mm512_setzero_ps, _mm512_slli_epi32, _mm512_srli_epi32,
};

use super::{add_to, load};
use crate::cpu::Cpu;
use crate::int4::{BLOCK, Block, OFFSET, Panels};
use crate::panel::PANEL;
use crate::rows::{self, Bytes};
use crate::tasks::{Cut, Edges, TASK_OUTPUTS};

/// More rows are faster in float32, where the weights are expanded once for all of them.
const MOST_ROWS: usize = 8;
/// Words of inputs in a block: four inputs each.
const INPUT_WORDS: usize = BLOCK / 4;

/// Adds the products of `x` [rows, inputs] to `out` [rows, outputs], or says that it cannot.
pub(crate) fn add_products(
    weights: &Panels,
    x: &[f32],
    (inputs, outputs): (usize, usize),
    cpu: Cpu,
    out: &mut [f32],
    edges: Edges<'_>,
) -> bool {
    let count = x.len() / inputs;
    if !cpu.avx512_vnni || count > MOST_ROWS {
        return false;
    }
    let cut = Cut {
        inputs,
        outputs,
        tile: 1,
        block: MOST_ROWS,
    };
    let blocks = weights.length();
    let last = outputs.div_ceil(PANEL) - 1;
    let parallel = cut.is_parallel(count);
    let x = rows::in_bytes(x, inputs, blocks * INPUT_WORDS, BLOCK, parallel);
    cut.run(out, |mut task| {
        edges.begin(&mut task);
        for first in (0..task.outputs()).step_by(TASK_OUTPUTS) {
            let panel = (task.output + first) / PANEL;
            let panels = [panel, (panel + 1).min(last)].map(|panel| weights.panel(panel));
            for (r, row) in task.rows.iter_mut().enumerate() {
                // SAFETY: the processor has AVX512-VNNI, and with it AVX-512.
                unsafe { add(&x, task.row + r, panels, &mut row[first..]) };
            }
        }
        edges.end(&mut task);
    });
    true
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
