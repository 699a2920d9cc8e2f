//! Products of 8-bit integers with AVX512-VNNI.

use std::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_cvtepi32_ps, _mm512_dpbusd_epi32, _mm512_loadu_ps,
    _mm512_mul_ps, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_si512,
};

use super::{add_to, load};
use crate::int8::{BLOCK, BLOCK_WORDS, OFFSET, Panels};
use crate::panel::{PANEL, PanelRow, Words};
use crate::rows::{self, Bytes};
use crate::tasks::{self, Cut, Kernel, TASK_OUTPUTS, Task};

/// Rows of a task.
const TASK_ROWS: usize = 192;

/// Products of bytes, for any number of rows.
pub(crate) struct Vectors<'a> {
    pub(crate) weights: &'a Panels,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    pub(crate) together: tasks::Rows,
}

/// Rows of bytes, their words in tiles, and the tiles' rows.
pub(crate) struct Rows {
    bytes: Bytes,
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
        let mut bytes = rows::in_bytes(x, self.inputs, (words, BLOCK), 1, parallel);
        if height > 1 {
            bytes.words = rows::tiled(&bytes.words, words, height, parallel);
        }
        Rows { bytes, height }
    }

    fn add(&self, x: &Rows, task: &mut Task<'_>) {
        let height = x.height;
        let last = self.outputs.div_ceil(PANEL) - 1;
        let blocks = self.weights.length().div_ceil(BLOCK_WORDS);
        let span = if task.rows.len() > height { 1 } else { blocks };
        for start in (0..blocks).step_by(span) {
            for first in (0..task.outputs()).step_by(TASK_OUTPUTS) {
                let panel = (task.output + first) / PANEL;
                let panels = [panel, (panel + 1).min(last)];
                for (tile, rows) in task.rows.chunks_mut(height).enumerate() {
                    let operand = Operand {
                        x: &x.bytes,
                        row: task.row + tile * height,
                        words: panels.map(|panel| self.weights.panel(panel)),
                        scales: panels.map(|panel| self.weights.scales(panel)),
                    };
                    for block in start..(start + span).min(blocks) {
                        // SAFETY: this kernel is only made where the processor has AVX512-VNNI,
                        // and with it AVX-512.
                        unsafe {
                            match height {
                                1 => operand.add::<1, 4>(block, rows, first),
                                2 => operand.add::<2, 2>(block, rows, first),
                                4 => operand.add::<4, 1>(block, rows, first),
                                8 => operand.add::<8, 1>(block, rows, first),
                                _ => operand.add::<12, 1>(block, rows, first),
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Two panels, and the rows of a tile.
struct Operand<'a> {
    x: &'a Bytes,
    /// The tile's first row.
    row: usize,
    words: [&'a [Words]; 2],
    scales: [&'a [PanelRow]; 2],
}

impl Operand<'_> {
    /// Adds the products of a block to the outputs of the tile's rows from `first` on. The sums are
    /// computed in `CHAINS` parts.
    #[inline]
    #[target_feature(enable = "avx512f,avx512vnni")]
    fn add<const ROWS: usize, const CHAINS: usize>(
        &self,
        block: usize,
        rows: &mut [&mut [f32]],
        first: usize,
    ) {
        let length = self.words[0].len();
        let (from, to) = (block * BLOCK_WORDS, length.min((block + 1) * BLOCK_WORDS));
        let x = &self.x.words[self.row * length..][from * ROWS..to * ROWS];
        let (x, x_rest) = x.as_chunks::<ROWS>().0.as_chunks::<CHAINS>();
        let [left, right] = self.words.map(|words| &words[from..to]);
        let (left, left_rest) = left.as_chunks::<CHAINS>();
        let (right, right_rest) = right.as_chunks::<CHAINS>();
        let mut sums = [[[_mm512_setzero_si512(); 2]; ROWS]; CHAINS];
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
                    *total = _mm512_add_epi32(*total, sum);
                }
            }
        }
        let scales = self.scales.map(|scales| {
            // SAFETY: the array has the vector's size, and the load needs no alignment.
            unsafe { _mm512_loadu_ps(scales[block].0.as_ptr()) }
        });
        let blocks = self.scales[0].len();
        for (r, (row, sums)) in rows.iter_mut().zip(totals).enumerate() {
            let at = (self.row + r) * blocks + block;
            let excess = _mm512_set1_epi32(-OFFSET * self.x.sums[at]);
            let scale = _mm512_set1_ps(self.x.scales[at]);
            let row = &mut row[first..];
            let (left, right) = row.split_at_mut(PANEL.min(row.len()));
            for ((out, sum), weight_scale) in [left, right].into_iter().zip(sums).zip(scales) {
                let sum = _mm512_cvtepi32_ps(_mm512_add_epi32(sum, excess));
                add_to(out, _mm512_mul_ps(sum, _mm512_mul_ps(scale, weight_scale)));
            }
        }
    }
}

/// Adds the products of four inputs of every row.
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn add_terms<const ROWS: usize>(
    sums: &mut [[__m512i; 2]; ROWS],
    x: &[u32; ROWS],
    weights: [&Words; 2],
) {
    let weights = weights.map(|words| load(&words.0));
    for (sums, &x) in sums.iter_mut().zip(x) {
        let x = _mm512_set1_epi32(x as i32);
        for (sum, weight) in sums.iter_mut().zip(weights) {
            *sum = _mm512_dpbusd_epi32(*sum, weight, x);
        }
    }
}
