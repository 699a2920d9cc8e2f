//! Products in float32, of weights that are float32 or are expanded to it run by run.

use std::borrow::Cow;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::cpu::Cpu;
use crate::panel::{PANEL, PanelRow, pack};
use crate::source::Source;
use crate::tasks::{Cut, Kernel, Rows, TASK_OUTPUTS, Task};

/// Terms summed in one run. A float32 sum of fewer terms rounds less, and adding up the runs costs
/// little.
pub(crate) const RUN: usize = 256;
/// Rows of a tile. With two vectors of outputs, their sums and operands fill 16 registers.
const TILE: usize = 6;
/// Rows of a tile where there are 32 registers.
const TALL_TILE: usize = 12;
/// Rows of a task: they stay in the second-level cache for the length of a run.
const TASK_ROWS: usize = 192;
/// Inputs per iteration of the innermost loop; the number of chains divides it.
const UNROLL: usize = 4;

/// Weights that the float32 kernel can read.
pub(crate) trait Expand: Sync {
    /// Whether [`Self::rows`] writes to its scratch.
    const EXPANDS: bool;

    /// A panel's weights of the inputs from `from` (a multiple of [`RUN`] if they are expanded) up
    /// to `to`: as they lie, or expanded in the scratch, which has room for [`RUN`].
    fn rows<'a>(
        &'a self,
        panel: usize,
        from: usize,
        to: usize,
        scratch: &'a mut [PanelRow],
    ) -> &'a [PanelRow];

    /// The products of a single row with a panel, of weights that need not be expanded first; `None`
    /// if they are faster to read as they lie.
    fn one_row(&self, panel: usize, x: &[f32], cpu: Cpu) -> Option<[f32; PANEL]>;
}

/// Weights in float32, [panel, input].
#[derive(Debug)]
pub(crate) struct Panels {
    rows: Vec<PanelRow>,
    inputs: usize,
}

impl Panels {
    pub(crate) fn new(weight: Source<'_>, inputs: usize) -> Self {
        let outputs = weight.len() / inputs.max(1);
        let mut rows = vec![PanelRow::ZERO; outputs.div_ceil(PANEL) * inputs];
        pack(weight, inputs, &mut rows, inputs, |weight, panel| {
            // In blocks, or each read would fetch a cache line for a single element.
            for (block, panel) in panel.chunks_mut(PANEL).enumerate() {
                for (o, weight) in weight.chunks_exact(inputs).enumerate() {
                    for (row, &w) in panel.iter_mut().zip(&weight[block * PANEL..]) {
                        row.0[o] = w;
                    }
                }
            }
        });
        Self { rows, inputs }
    }

    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&self.rows[..])
    }
}

impl Expand for Panels {
    const EXPANDS: bool = false;

    fn rows<'a>(
        &'a self,
        panel: usize,
        from: usize,
        to: usize,
        _: &'a mut [PanelRow],
    ) -> &'a [PanelRow] {
        &self.rows[panel * self.inputs..][from..to]
    }

    fn one_row(&self, _: usize, _: &[f32], _: Cpu) -> Option<[f32; PANEL]> {
        None
    }
}

/// Products of float32 with any weights that can be expanded to it.
pub(crate) struct InFloat32<'a, W> {
    pub(crate) weights: &'a W,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    pub(crate) cpu: Cpu,
    pub(crate) together: Rows,
}

impl<W: Expand> InFloat32<'_, W> {
    /// Whether every row is summed as if it were alone.
    fn alone(&self, x: &[f32]) -> bool {
        x.len() == self.inputs || self.together == Rows::Apart
    }

    /// Adds the products of rows one by one, or says that the weights are faster read otherwise.
    fn add_apart(&self, x: &[f32], task: &mut Task<'_>) -> bool {
        let x = &x[task.row * self.inputs..];
        let first = task.output / PANEL;
        // A panel stays in the caches for all rows.
        for (panel, at) in (first..).zip((0..task.outputs()).step_by(PANEL)) {
            for (row, x) in task.rows.iter_mut().zip(x.chunks_exact(self.inputs)) {
                let Some(sums) = self.weights.one_row(panel, x, self.cpu) else {
                    return false;
                };
                for (out, sum) in row[at..].iter_mut().zip(sums) {
                    *out += sum;
                }
            }
        }
        true
    }
}

impl<W: Expand> Kernel for InFloat32<'_, W> {
    type Rows<'x> = Cow<'x, [f32]>;

    fn cut(&self, _: usize) -> Cut {
        Cut {
            inputs: self.inputs,
            outputs: self.outputs,
            tile: match self.together {
                Rows::Apart => 1,
                Rows::Together if self.cpu.avx512 => TALL_TILE,
                Rows::Together => TILE,
            },
            block: TASK_ROWS,
        }
    }

    fn prepare<'x>(&self, x: &'x [f32], parallel: bool) -> Cow<'x, [f32]> {
        interleaved(x, self.inputs, self.cut(0).tile, parallel)
    }

    fn add(&self, x: &Cow<'_, [f32]>, task: &mut Task<'_>) {
        if self.alone(x) && self.add_apart(x, task) {
            return;
        }
        let rows = Tiles {
            weights: self.weights,
            x: &x[task.row * self.inputs..],
            inputs: self.inputs,
            tile: self.cut(0).tile,
            last: self.outputs.div_ceil(PANEL) - 1,
            task,
        };
        widest(self.cpu, rows);
    }
}

/// Runs the operation with the widest vectors that `cpu` allows.
pub(crate) fn widest<T: WithSimd>(cpu: Cpu, work: T) -> T::Output {
    if cpu.avx512 {
        return pulp::Arch::new().dispatch(work);
    }
    #[cfg(target_arch = "x86_64")]
    {
        match pulp::x86::V3::try_new() {
            Some(simd) if cpu.avx2 => simd.vectorize(Inlined { work, simd }),
            _ => work.with_simd(pulp::Scalar::new()),
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    pulp::Arch::new().dispatch(work)
}

/// An operation that is inlined into the function that has the instructions, as a closure need not
/// be.
struct Inlined<T, S> {
    work: T,
    simd: S,
}

impl<T: WithSimd, S: Simd> pulp::NullaryFnOnce for Inlined<T, S> {
    type Output = T::Output;

    #[inline(always)]
    fn call(self) -> T::Output {
        self.work.with_simd(self.simd)
    }
}

/// How many of `rows` the next tile takes. What a whole tile leaves goes into tiles of up to
/// [`TILE`] rows.
fn height(rows: usize, tile: usize) -> usize {
    if rows >= tile { tile } else { rows.min(TILE) }
}

/// The rows of each tile side by side, [inputs, rows of the tile], tile by tile.
fn interleaved(x: &[f32], inputs: usize, tile: usize, parallel: bool) -> Cow<'_, [f32]> {
    if x.len() == inputs || tile == 1 {
        return Cow::Borrowed(x);
    }
    let mut out = vec![0f32; x.len()];
    let interleave = |(mut out, mut x): (&mut [f32], &[f32])| {
        while !x.is_empty() {
            let height = height(x.len() / inputs, tile);
            let (first, rest) = out.split_at_mut(height * inputs);
            let (rows, x_rest) = x.split_at(height * inputs);
            for (r, row) in rows.chunks_exact(inputs).enumerate() {
                for (element, &x) in first[r..].iter_mut().step_by(height).zip(row) {
                    *element = x;
                }
            }
            (out, x) = (rest, x_rest);
        }
    };
    let length = tile * inputs;
    if parallel {
        let chunks = out.par_chunks_mut(length).zip(x.par_chunks(length));
        chunks.for_each(interleave);
    } else {
        interleave((&mut out, x));
    }
    Cow::Owned(out)
}

/// Many rows, or one of weights in float32.
struct Tiles<'a, 'b, W> {
    weights: &'a W,
    /// The rows' tiles.
    x: &'a [f32],
    inputs: usize,
    /// Rows of a whole tile.
    tile: usize,
    /// The last panel.
    last: usize,
    task: &'a mut Task<'b>,
}

impl<W: Expand> WithSimd for Tiles<'_, '_, W> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (inputs, outputs) = (self.inputs, self.task.outputs());
        // A single tile reads the weight in its own order. For several, a run of two panels stays
        // in the first-level cache.
        let span = match W::EXPANDS || self.task.rows.len() > self.tile.min(TILE) {
            true => RUN,
            false => inputs,
        };
        let mut scratch = vec![PanelRow::ZERO; if W::EXPANDS { 2 * RUN } else { 0 }];
        let (left, right) = scratch.split_at_mut(if W::EXPANDS { RUN } else { 0 });
        for start in (0..inputs).step_by(span) {
            let end = inputs.min(start + span);
            for pair in (0..outputs).step_by(TASK_OUTPUTS) {
                let panel = (self.task.output + pair) / PANEL;
                // There may be an odd number of panels. The result of a second one beyond the last
                // is not used.
                let panels = [
                    self.weights.rows(panel, start, end, left),
                    self.weights
                        .rows((panel + 1).min(self.last), start, end, right),
                ];
                for first in (pair..outputs.min(pair + TASK_OUTPUTS)).step_by(2 * S::F32_LANES) {
                    let operand = Operand::new::<S>(panels, first - pair);
                    let (mut rows, mut tiles) = (&mut self.task.rows[..], self.x);
                    while !rows.is_empty() {
                        let count = height(rows.len(), self.tile);
                        let (tile, rest) = rows.split_at_mut(count);
                        let (x, x_rest) = tiles.split_at(count * inputs);
                        operand.add::<S>(simd, &x[start * count..end * count], tile, first);
                        (rows, tiles) = (rest, x_rest);
                    }
                }
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
    /// The vectors from output `first` of two panels on.
    #[inline(always)]
    fn new<S: Simd>(panels: [&'a [PanelRow]; 2], first: usize) -> Self {
        let starts = [first, first + S::F32_LANES];
        Self {
            panels: starts.map(|output| panels[output / PANEL]),
            vectors: starts.map(|output| output % PANEL / S::F32_LANES),
        }
    }

    /// Adds the products of a tile to the outputs of its rows from `first` on, run by run.
    #[inline(always)]
    fn add<S: Simd>(self, simd: S, x: &[f32], rows: &mut [&mut [f32]], first: usize) {
        let mut sums = [0f32; TALL_TILE * TASK_OUTPUTS];
        for row in &*rows {
            prefetch(&row[first..]);
        }
        for (run, x) in x.chunks(RUN * rows.len()).enumerate() {
            let range = run * RUN..run * RUN + x.len() / rows.len();
            let operand = Self {
                panels: self.panels.map(|panel| &panel[range.clone()]),
                ..self
            };
            match rows.len() {
                1 => operand.sums::<S, 1, 4>(simd, x, &mut sums),
                2 => operand.sums::<S, 2, 2>(simd, x, &mut sums),
                3 => operand.sums::<S, 3, 2>(simd, x, &mut sums),
                4 => operand.sums::<S, 4, 1>(simd, x, &mut sums),
                5 => operand.sums::<S, 5, 1>(simd, x, &mut sums),
                6 => operand.sums::<S, 6, 1>(simd, x, &mut sums),
                _ => operand.sums::<S, TALL_TILE, 1>(simd, x, &mut sums),
            }
            let sums = sums.chunks_exact(2 * S::F32_LANES);
            for (row, sums) in rows.iter_mut().zip(sums) {
                for (out, sum) in row[first..].iter_mut().zip(sums) {
                    *out += sum;
                }
            }
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
                add_terms(simd, &mut sums[i % CHAINS], &x[i], w);
            }
        }
        for ((x, left), right) in x_rest.iter().zip(left_rest).zip(right_rest) {
            add_terms(simd, &mut sums[0], x, self.vectors::<S>(left, right));
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

/// Brings two vectors' outputs near while their sums are computed.
#[inline(always)]
fn prefetch(out: &[f32]) {
    #[cfg(target_arch = "x86_64")]
    for line in out.chunks(PANEL).take(TASK_OUTPUTS / PANEL) {
        // SAFETY: every x86-64 processor has the instruction, which reads nothing into the program.
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast());
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = out;
}

/// Adds one input's products of a tile's rows and two vectors of weights.
#[inline(always)]
fn add_terms<S: Simd, const ROWS: usize>(
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
