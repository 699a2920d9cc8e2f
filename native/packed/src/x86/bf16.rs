//! Products of bfloat16 with AVX512-BF16.

use std::arch::x86_64::{
    __m512, __m512bh, __m512i, _mm512_add_ps, _mm512_dpbf16_ps, _mm512_set1_epi32,
    _mm512_setzero_ps,
};
use std::mem::transmute;

use super::{add_to, load};
use crate::bf16::Panels;
use crate::panel::{PANEL, Words};
use crate::rows;
use crate::tasks::{self, Cut, Kernel, TASK_OUTPUTS, Task};

/// Rows of a tile: with two panels, their sums take 24 of 32 registers.
const TILE: usize = 12;
/// Rows of a task.
const TASK_ROWS: usize = 16 * TILE;
/// Words summed in one run.
const RUN: usize = 128;

/// Products of bfloat16, for any number of rows.
pub(crate) struct Vectors<'a> {
    pub(crate) weights: &'a Panels,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    pub(crate) together: tasks::Rows,
}

/// Rows of bfloat16 in tiles, and the tiles' rows.
pub(crate) struct Rows {
    tiles: Vec<u32>,
    height: usize,
}

impl Vectors<'_> {
    /// Rows of a tile, of so many rows.
    fn height(&self, rows: usize) -> usize {
        match self.together {
            tasks::Rows::Together => super::height(rows),
            tasks::Rows::Apart => 1,
        }
    }
}

impl Kernel for Vectors<'_> {
    type Rows<'x> = Rows;

    fn cut(&self, rows: usize) -> Cut {
        Cut {
            inputs: self.inputs,
            outputs: self.outputs,
            tile: self.height(rows),
            block: TASK_ROWS,
        }
    }

    fn prepare(&self, x: &[f32], parallel: bool) -> Rows {
        let words = self.weights.length();
        let height = self.height(x.len() / self.inputs);
        let rows = rows::in_bf16(x, self.inputs, words, 1, parallel);
        let tiles = match height {
            1 => rows,
            _ => rows::tiled(&rows, words, height, parallel),
        };
        Rows { tiles, height }
    }

    fn add(&self, x: &Rows, task: &mut Task<'_>) {
        let &Rows { ref tiles, height } = x;
        let words = self.weights.length();
        let last = self.outputs.div_ceil(PANEL) - 1;
        let span = if task.rows.len() > height { RUN } else { words };
        for start in (0..words).step_by(span) {
            let end = words.min(start + span);
            for first in (0..task.outputs()).step_by(TASK_OUTPUTS) {
                let panel = (task.output + first) / PANEL;
                let panels = [panel, (panel + 1).min(last)];
                let panels = panels.map(|panel| &self.weights.panel(panel)[start..end]);
                for (tile, rows) in task.rows.chunks_mut(height).enumerate() {
                    let x = &tiles[(task.row + tile * height) * words..];
                    let x = &x[start * height..end * height];
                    // SAFETY: this kernel is only made where the processor has AVX512-BF16, and
                    // with it AVX-512.
                    unsafe {
                        match height {
                            1 => add::<1, 4>(x, panels, rows, first),
                            2 => add::<2, 2>(x, panels, rows, first),
                            4 => add::<4, 1>(x, panels, rows, first),
                            8 => add::<8, 1>(x, panels, rows, first),
                            _ => add::<TILE, 1>(x, panels, rows, first),
                        }
                    }
                }
            }
        }
    }
}

/// Adds the products of a tile `x` [words, ROWS] with two panels to the outputs of its rows from
/// `first` on, run by run. Each sum is computed in `CHAINS` parts.
#[target_feature(enable = "avx512f,avx512bf16")]
fn add<const ROWS: usize, const CHAINS: usize>(
    x: &[u32],
    panels: [&[Words]; 2],
    rows: &mut [&mut [f32]],
    first: usize,
) {
    let [left, right] = panels.map(|panel| panel.chunks(RUN));
    for ((x, left), right) in x.chunks(RUN * ROWS).zip(left).zip(right) {
        let mut sums = [[[_mm512_setzero_ps(); 2]; ROWS]; CHAINS];
        let (x, x_rest) = x.as_chunks::<ROWS>().0.as_chunks::<CHAINS>();
        let (left, left_rest) = left.as_chunks::<CHAINS>();
        let (right, right_rest) = right.as_chunks::<CHAINS>();
        for ((x, left), right) in x.iter().zip(left).zip(right) {
            for i in 0..CHAINS {
                add_terms(&mut sums[i], &x[i], [&left[i], &right[i]]);
            }
        }
        for ((x, left), right) in x_rest.iter().zip(left_rest).zip(right_rest) {
            add_terms(&mut sums[0], x, [left, right]);
        }
        let mut totals = sums[0];
        for chain in &sums[1..] {
            for (totals, sums) in totals.iter_mut().zip(chain) {
                for (total, &sum) in totals.iter_mut().zip(sums) {
                    *total = _mm512_add_ps(*total, sum);
                }
            }
        }
        for (row, [left, right]) in rows.iter_mut().zip(totals) {
            let row = &mut row[first..];
            let (left_out, right_out) = row.split_at_mut(PANEL.min(row.len()));
            add_to(left_out, left);
            add_to(right_out, right);
        }
    }
}

/// Adds the products of two inputs of every row.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
fn add_terms<const ROWS: usize>(
    sums: &mut [[__m512; 2]; ROWS],
    x: &[u32; ROWS],
    weights: [&Words; 2],
) {
    let weights = weights.map(|words| load(&words.0));
    for (sums, &x) in sums.iter_mut().zip(x) {
        let x = _mm512_set1_epi32(x as i32);
        for (sum, weight) in sums.iter_mut().zip(weights) {
            // SAFETY: the types are vectors of 512 bits, and any bits are bfloat16.
            *sum = unsafe {
                let x = transmute::<__m512i, __m512bh>(x);
                let weight = transmute::<__m512i, __m512bh>(weight);
                _mm512_dpbf16_ps(*sum, x, weight)
            };
        }
    }
}
