//! How products are cut into tasks for the threads.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::team;

/// Outputs of a task are a multiple of this: two panels.
pub(crate) const TASK_OUTPUTS: usize = 32;
/// Tasks for each thread, so that the threads finish together.
const TASKS: usize = 4;
/// Fewest multiply-adds of a task: below, handing it to another thread costs more than it saves.
const SMALL: usize = 1 << 16;
/// Products of more rows take so long that threads may be woken for them.
const FEW_ROWS: usize = 8;

/// Whether a row's outputs may depend, by a rounding, on how many rows there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rows {
    /// As is fastest for all of them.
    Together,
    /// Each row is summed as if it were alone.
    Apart,
}

/// A way to multiply rows of inputs with a weight.
pub(crate) trait Kernel: Sync {
    /// Rows as the kernel reads them.
    type Rows<'x>: Sync;

    /// The shape of the products, and of their tasks.
    fn cut(&self, rows: usize) -> Cut;

    /// Lays out `x` [rows, inputs]. The result serves every kernel of the same type with as many
    /// inputs.
    fn prepare<'x>(&self, x: &'x [f32], parallel: bool) -> Self::Rows<'x>;

    /// Adds the products of a task to its outputs.
    fn add(&self, rows: &Self::Rows<'_>, task: &mut Task<'_>);
}

/// Some outputs of some rows.
pub(crate) struct Task<'a> {
    /// The first row, a multiple of the tile's rows.
    pub(crate) row: usize,
    /// The first output, a multiple of [`TASK_OUTPUTS`].
    pub(crate) output: usize,
    /// Where the outputs go, by row.
    pub(crate) rows: Vec<&'a mut [f32]>,
}

impl Task<'_> {
    /// Outputs of every row.
    pub(crate) fn outputs(&self) -> usize {
        self.rows.first().map_or(0, |row| row.len())
    }
}

/// The shape of a product: `outputs` of `inputs` each, cut into blocks of up to `block` rows, whose
/// number is a multiple of `tile`.
#[derive(Clone, Copy)]
pub(crate) struct Cut {
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    pub(crate) tile: usize,
    pub(crate) block: usize,
}

impl Cut {
    /// How many tasks a product of so many rows is worth.
    pub(crate) fn wanted(self, rows: usize) -> usize {
        let most = rayon::current_num_threads() * TASKS;
        (rows * self.outputs * self.inputs / SMALL).clamp(1, most)
    }

    /// The tasks of a product into `out` [rows, outputs], which is not empty.
    fn tasks(self, out: &mut [f32]) -> Vec<Task<'_>> {
        let rows = out.len() / self.outputs;
        let wanted = self.wanted(rows);
        let tiles = rows.div_ceil(self.tile);
        let block_tiles = (self.block / self.tile).max(1);
        let block = tiles.div_ceil(tiles.div_ceil(block_tiles)) * self.tile;
        let shares = wanted.div_ceil(rows.div_ceil(block));
        let share = self.outputs.div_ceil(shares);
        let share = share.next_multiple_of(TASK_OUTPUTS);
        let mut tasks = Vec::with_capacity(wanted);
        for (number, rows) in out.chunks_mut(block * self.outputs).enumerate() {
            let mut rows: Vec<_> = rows
                .chunks_mut(self.outputs)
                .map(|row| row.chunks_mut(share))
                .collect();
            tasks.extend((0..self.outputs).step_by(share).map(|output| Task {
                row: number * block,
                output,
                rows: rows.iter_mut().filter_map(Iterator::next).collect(),
            }));
        }
        tasks
    }
}

/// Runs the products of `x` with several weights, each into its own output; `begin` and `end` are
/// given the number of the weight.
pub(crate) fn run<K: Kernel>(
    kernels: &[K],
    x: &[f32],
    outs: &mut [&mut [f32]],
    begin: impl Fn(usize, &mut Task<'_>) + Sync,
    end: impl Fn(usize, &mut Task<'_>) + Sync,
) {
    let Some(first) = kernels.first() else {
        return;
    };
    let rows = x.len() / first.cut(1).inputs;
    let wanted: usize = kernels.iter().map(|k| k.cut(rows).wanted(rows)).sum();
    let prepared = first.prepare(x, wanted > 1 && rows > FEW_ROWS);
    let mut tasks = Vec::with_capacity(wanted);
    for (number, (kernel, out)) in kernels.iter().zip(outs).enumerate() {
        let of_kernel = kernel.cut(rows).tasks(out);
        tasks.extend(of_kernel.into_iter().map(|task| (number, task)));
    }
    let one = |(number, mut task): (usize, Task<'_>)| {
        begin(number, &mut task);
        kernels[number].add(&prepared, &mut task);
        end(number, &mut task);
    };
    if wanted <= kernels.len() {
        tasks.into_iter().for_each(one);
    } else if rows <= FEW_ROWS {
        in_team(tasks, one);
    } else {
        tasks.into_par_iter().for_each(one);
    }
}

/// Runs the tasks in threads that spin, or in those of the pool if these are busy.
fn in_team<T: Send>(tasks: Vec<T>, run: impl Fn(T) + Sync) {
    let tasks: Vec<_> = tasks.into_iter().map(|t| Mutex::new(Some(t))).collect();
    let next = AtomicUsize::new(0);
    let take = |task: &Mutex<Option<T>>| {
        let mut task = task.lock().unwrap_or_else(|p| p.into_inner());
        task.take().into_iter().for_each(&run);
    };
    let work = || {
        while let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
            take(task);
        }
    };
    if !team::run(rayon::current_num_threads(), &work) {
        tasks.par_iter().for_each(take);
    }
}
