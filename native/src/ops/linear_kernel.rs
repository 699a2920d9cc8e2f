use std::borrow::Cow;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::ops::activation::gelu_of;

/// Terms summed in one run. A float32 sum of fewer terms rounds less, and adding up the runs costs
/// little.
const RUN: usize = 256;
/// Outputs of a panel: the lanes of the widest vectors.
const PANEL: usize = 16;
/// Rows of a tile. With two vectors of outputs, their sums and operands fill 16 registers.
const TILE: usize = 6;
/// Tiles of a task: its rows stay in the second-level cache for the length of a run.
const TASK_TILES: usize = 32;
/// Inputs per iteration of the innermost loop; the number of chains divides it.
const UNROLL: usize = 4;
/// Outputs of a task are a multiple of this: two vectors of any width.
const TASK_OUTPUTS: usize = 2 * PANEL;
/// Tasks for each thread, so that the threads finish together.
const TASKS: usize = 4;
/// Fewest multiply-adds of a task: below, handing it to another thread costs more than it saves.
const SMALL: usize = 1 << 16;

/// One input's weights for the outputs of a panel, aligned so that no vector crosses a cache line.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct PanelRow([f32; PANEL]);

/// A linear layer in float32 on the CPU, for one row and for many.
///
/// The weight is packed once, in the order in which it is read. With a single row, as in decoding,
/// the time is that of reading the weight from memory, once and sequentially. With many, a tile of
/// rows and outputs is summed in registers.
#[derive(Debug)]
pub(super) struct LinearKernel {
    /// [outputs / panel, inputs, panel], with zeros for outputs beyond the last.
    weight: Vec<PanelRow>,
    bias: Option<Vec<f32>>,
    inputs: usize,
    outputs: usize,
}

impl LinearKernel {
    /// From `weight` [outputs, inputs] and `bias` [outputs].
    pub(super) fn new(weight: &[f32], bias: Option<Vec<f32>>, inputs: usize) -> Self {
        let outputs = weight.len() / inputs.max(1);
        let zero = PanelRow([0.0; PANEL]);
        let mut packed = vec![zero; outputs.div_ceil(PANEL) * inputs];
        packed
            .par_chunks_mut(inputs.max(1))
            .zip(weight.par_chunks(PANEL * inputs.max(1)))
            .for_each(|(panel, weight)| {
                // In blocks, or each read would fetch a cache line for a single element.
                for (block, panel) in panel.chunks_mut(PANEL).enumerate() {
                    for (o, weight) in weight.chunks_exact(inputs).enumerate() {
                        for (row, &w) in panel.iter_mut().zip(&weight[block * PANEL..]) {
                            row.0[o] = w;
                        }
                    }
                }
            });
        Self {
            weight: packed,
            bias,
            inputs,
            outputs,
        }
    }

    pub(super) fn inputs(&self) -> usize {
        self.inputs
    }

    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }

    /// [rows × inputs] to [rows × outputs], followed by GELU if `gelu`.
    pub(super) fn run(&self, x: &[f32], gelu: bool) -> Vec<f32> {
        self.run_tasks(x, gelu, |task| pulp::Arch::new().dispatch(task))
    }

    fn run_tasks(&self, x: &[f32], gelu: bool, run: impl Fn(Task<'_>) + Sync) -> Vec<f32> {
        let rows = x.len() / self.inputs.max(1);
        let mut out = vec![0f32; rows * self.outputs];
        if out.is_empty() {
            return out;
        }
        let threads = rayon::current_num_threads();
        let wanted = (out.len() * self.inputs / SMALL).clamp(1, threads * TASKS);
        let x = interleaved(x, self.inputs, wanted > 1);
        let tiles = rows.div_ceil(TILE);
        let block = tiles.div_ceil(tiles.div_ceil(TASK_TILES)) * TILE;
        let shares = wanted.div_ceil(rows.div_ceil(block));
        let share = self.outputs.div_ceil(shares).next_multiple_of(TASK_OUTPUTS);
        let mut tasks = Vec::with_capacity(wanted);
        let blocks = out.chunks_mut(block * self.outputs);
        for (rows, x) in blocks.zip(x.chunks(block * self.inputs)) {
            let mut rows: Vec<_> = rows
                .chunks_mut(self.outputs)
                .map(|row| row.chunks_mut(share))
                .collect();
            tasks.extend((0..self.outputs).step_by(share).map(|first| Task {
                kernel: self,
                x,
                gelu,
                first,
                rows: rows.iter_mut().filter_map(Iterator::next).collect(),
            }));
        }
        if wanted == 1 {
            tasks.into_iter().for_each(&run);
        } else {
            tasks.into_par_iter().for_each(&run);
        }
        out
    }
}

/// The rows of each tile side by side, [rows / tile, inputs, tile]; the last tile may be narrower.
fn interleaved(x: &[f32], inputs: usize, parallel: bool) -> Cow<'_, [f32]> {
    if x.len() == inputs {
        return Cow::Borrowed(x);
    }
    let mut tiles = vec![0f32; x.len()];
    let interleave = |(tile, rows): (&mut [f32], &[f32])| {
        let height = rows.len() / inputs;
        for (r, row) in rows.chunks_exact(inputs).enumerate() {
            for (element, &x) in tile[r..].iter_mut().step_by(height).zip(row) {
                *element = x;
            }
        }
    };
    let length = TILE * inputs;
    if parallel {
        let chunks = tiles.par_chunks_mut(length).zip(x.par_chunks(length));
        chunks.for_each(interleave);
    } else {
        let chunks = tiles.chunks_mut(length).zip(x.chunks(length));
        chunks.for_each(interleave);
    }
    Cow::Owned(tiles)
}

/// Some outputs of some rows.
struct Task<'a> {
    kernel: &'a LinearKernel,
    /// The rows' tiles.
    x: &'a [f32],
    gelu: bool,
    /// The first output.
    first: usize,
    /// Where the outputs go, by row.
    rows: Vec<&'a mut [f32]>,
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let mut rows = std::mem::take(&mut self.rows);
        let inputs = self.kernel.inputs;
        let outputs = rows.first().map_or(0, |row| row.len());
        // A single tile reads the weight in its own order. For several, a run of a panel stays in
        // the first-level cache.
        let span = if rows.len() <= TILE { inputs } else { RUN };
        let mut sums = [0f32; TILE * TASK_OUTPUTS];
        for start in (0..inputs).step_by(span) {
            let end = inputs.min(start + span);
            for first in (0..outputs).step_by(2 * S::F32_LANES) {
                let operand = Operand::new::<S>(self.kernel, self.first + first);
                for (tile, rows) in rows.chunks_mut(TILE).enumerate() {
                    let x = &self.x[tile * TILE * inputs..][..rows.len() * inputs];
                    for from in (start..end).step_by(RUN) {
                        let to = end.min(from + RUN);
                        let x = &x[from * rows.len()..to * rows.len()];
                        let operand = operand.inputs(from, to);
                        match rows.len() {
                            1 => operand.sums::<S, 1, 4>(simd, x, &mut sums),
                            2 => operand.sums::<S, 2, 2>(simd, x, &mut sums),
                            3 => operand.sums::<S, 3, 2>(simd, x, &mut sums),
                            4 => operand.sums::<S, 4, 1>(simd, x, &mut sums),
                            5 => operand.sums::<S, 5, 1>(simd, x, &mut sums),
                            _ => operand.sums::<S, 6, 1>(simd, x, &mut sums),
                        }
                        let sums = sums.chunks_exact(2 * S::F32_LANES);
                        for (row, sums) in rows.iter_mut().zip(sums) {
                            let row = &mut row[first..];
                            self.finish(row, sums, first, (from == 0, to == inputs));
                        }
                    }
                }
            }
        }
    }
}

impl Task<'_> {
    /// Adds the sums of a run to the task's outputs from `first` on.
    #[inline(always)]
    fn finish(&self, row: &mut [f32], sums: &[f32], first: usize, (begins, ends): (bool, bool)) {
        let outs = row.iter_mut().zip(sums);
        match &self.kernel.bias {
            Some(bias) if begins => {
                let bias = &bias[self.first + first..];
                for ((out, sum), bias) in outs.zip(bias) {
                    *out = bias + sum;
                }
            }
            _ => {
                for (out, sum) in outs {
                    *out += sum;
                }
            }
        }
        if ends && self.gelu {
            for (out, _) in row.iter_mut().zip(sums) {
                *out = gelu_of(*out);
            }
        }
    }
}

/// Two neighbouring vectors of outputs, for some inputs.
#[derive(Clone, Copy)]
struct Operand<'a> {
    /// The panel of each.
    panels: [&'a [PanelRow]; 2],
    /// Where in the panel's rows each stands, counted in vectors.
    vectors: [usize; 2],
}

impl<'a> Operand<'a> {
    /// The vectors from output `first` on, for all inputs.
    #[inline(always)]
    fn new<S: Simd>(kernel: &'a LinearKernel, first: usize) -> Self {
        let last = kernel.outputs.div_ceil(PANEL) - 1;
        let starts = [first, first + S::F32_LANES];
        Self {
            // There may be an odd number of panels. The result of a second vector beyond the
            // last is not used.
            panels: starts.map(|output| {
                let panel = (output / PANEL).min(last);
                &kernel.weight[panel * kernel.inputs..][..kernel.inputs]
            }),
            vectors: starts.map(|output| output % PANEL / S::F32_LANES),
        }
    }

    #[inline(always)]
    fn inputs(self, from: usize, to: usize) -> Self {
        Self {
            panels: self.panels.map(|panel| &panel[from..to]),
            ..self
        }
    }

    /// The products with a tile `x` [inputs, ROWS], to `out` [ROWS, two vectors]. Every sum is
    /// computed in `CHAINS` parts, as a single row would otherwise wait for each addition.
    #[inline(always)]
    fn sums<S: Simd, const ROWS: usize, const CHAINS: usize>(
        self,
        simd: S,
        x: &[f32],
        out: &mut [f32],
    ) {
        let mut sums = [[[simd.splat_f32s(0.0); 2]; ROWS]; CHAINS];
        let (x, _) = x.as_chunks::<ROWS>();
        let (x, x_rest) = x.as_chunks::<UNROLL>();
        let [left, right] = self.panels;
        let (left, left_rest) = left.as_chunks::<UNROLL>();
        let (right, right_rest) = right.as_chunks::<UNROLL>();
        for ((x, left), right) in x.iter().zip(left).zip(right) {
            for i in 0..UNROLL {
                let w = self.vectors::<S>(&left[i], &right[i]);
                add_products(simd, &mut sums[i % CHAINS], &x[i], w);
            }
        }
        for ((x, left), right) in x_rest.iter().zip(left_rest).zip(right_rest) {
            add_products(simd, &mut sums[0], x, self.vectors::<S>(left, right));
        }
        let mut totals = sums[0];
        for chain in &sums[1..] {
            for (totals, sums) in totals.iter_mut().zip(chain) {
                for (total, &sum) in totals.iter_mut().zip(sums) {
                    *total = simd.add_f32s(*total, sum);
                }
            }
        }
        let (vectors, _) = S::as_mut_simd_f32s(out);
        vectors[..2 * ROWS].copy_from_slice(totals.as_flattened());
    }

    /// The two vectors in a row of each panel.
    #[inline(always)]
    fn vectors<S: Simd>(&self, left: &PanelRow, right: &PanelRow) -> [S::f32s; 2] {
        let [i, j] = self.vectors;
        [
            S::as_simd_f32s(&left.0).0[i],
            S::as_simd_f32s(&right.0).0[j],
        ]
    }
}

/// Adds one input's products of a tile's rows and two vectors of weights.
#[inline(always)]
fn add_products<S: Simd, const ROWS: usize>(
    simd: S,
    sums: &mut [[S::f32s; 2]; ROWS],
    x: &[f32; ROWS],
    weight: [S::f32s; 2],
) {
    for (sums, &x) in sums.iter_mut().zip(x) {
        let x = simd.splat_f32s(x);
        for (sum, &weight) in sums.iter_mut().zip(&weight) {
            *sum = simd.mul_add_e_f32s(x, weight, *sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(n: usize, step: f32) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * step).sin()).collect()
    }

    /// The largest difference from float64, relative to the sum of the terms' magnitudes.
    fn error(kernel: &LinearKernel, weight: &[f32], x: &[f32], got: &[f32]) -> f64 {
        let (inputs, outputs) = (kernel.inputs, kernel.outputs);
        let mut worst = 0f64;
        for (x, got) in x.chunks(inputs).zip(got.chunks(outputs)) {
            for (o, &got) in got.iter().enumerate() {
                let bias = kernel.bias.as_ref().map_or(0.0, |bias| f64::from(bias[o]));
                let terms = x.iter().zip(&weight[o * inputs..]);
                let terms = terms.map(|(&x, &w)| f64::from(x) * f64::from(w));
                let (sum, size) = terms.fold((bias, 1.0), |(s, n), t| (s + t, n + t.abs()));
                worst = worst.max((f64::from(got) - sum).abs() / size);
            }
        }
        worst
    }

    /// Processors have vectors of different widths.
    #[test]
    fn every_vector_width_and_number_of_rows_agrees_with_float64() {
        for (inputs, outputs) in [(1, 1), (5, 16), (2 * RUN + 7, 2 * TASK_OUTPUTS + 19)] {
            let weight = wave(outputs * inputs, 0.7);
            // Miri, which looks at every access, takes an hour for the large ones.
            let (most, last) = match cfg!(miri) {
                true if inputs > 5 => continue,
                true => (TILE + 1, None),
                false => (2 * TILE + 1, Some(TASK_TILES * TILE + 5)),
            };
            for rows in (1..=most).chain(last) {
                let bias = (rows % 2 == 0).then(|| wave(outputs, 0.3));
                let kernel = LinearKernel::new(&weight, bias, inputs);
                let x = wave(rows * inputs, 0.11);
                let check = |got: Vec<f32>| {
                    assert_eq!(got.len(), rows * outputs);
                    let error = error(&kernel, &weight, &x, &got);
                    assert!(error < 2e-7, "{rows} × {inputs} → {outputs}: {error}");
                };
                check(kernel.run(&x, false));
                let run = |run: &(dyn Fn(Task<'_>) + Sync)| check(kernel.run_tasks(&x, false, run));
                run(&|task| task.with_simd(pulp::Scalar::new()));
                #[cfg(target_arch = "x86_64")]
                match pulp::x86::V3::try_new() {
                    Some(simd) => run(&|task| simd.vectorize(|| task.with_simd(simd))),
                    None => eprintln!("SKIPPED: no AVX2 here"),
                }
            }
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes an hour, and reads memory as the others do")]
    fn gelu_is_applied_once_to_the_whole_sum() {
        let (inputs, outputs) = (RUN + 3, TASK_OUTPUTS + 1);
        let kernel = LinearKernel::new(&wave(outputs * inputs, 0.7), None, inputs);
        for rows in [1, TILE, 3 * TILE] {
            let x = wave(rows * inputs, 0.11);
            let want: Vec<_> = kernel.run(&x, false).into_iter().map(gelu_of).collect();
            assert_eq!(kernel.run(&x, true), want);
        }
    }
}
