//! How a product is cut into tasks for the threads.

use rayon::prelude::*;

use crate::linear::Finish;

/// Outputs of a task are a multiple of this: two panels.
pub(crate) const TASK_OUTPUTS: usize = 32;
/// Tasks for each thread, so that the threads finish together.
const TASKS: usize = 4;
/// Fewest multiply-adds of a task: below, handing it to another thread costs more than it saves.
const SMALL: usize = 1 << 16;

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

/// What happens to the outputs before the products are added, and after.
#[derive(Clone, Copy)]
pub(crate) struct Edges<'a> {
    pub(crate) bias: Option<&'a [f32]>,
    pub(crate) finish: Option<Finish<'a>>,
}

impl Edges<'_> {
    /// Sets the outputs to the bias, or to zero.
    pub(crate) fn begin(&self, task: &mut Task<'_>) {
        let (first, count) = (task.output, task.outputs());
        for row in &mut task.rows {
            match self.bias {
                Some(bias) => row.copy_from_slice(&bias[first..first + count]),
                None => row.fill(0.0),
            }
        }
    }

    /// Finishes the outputs.
    pub(crate) fn end(&self, task: &mut Task<'_>) {
        if let Some(finish) = self.finish {
            task.rows.iter_mut().for_each(|row| finish(row));
        }
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
    /// Whether a product of so many rows is worth more than one thread.
    pub(crate) fn is_parallel(self, rows: usize) -> bool {
        self.wanted(rows) > 1
    }

    fn wanted(self, rows: usize) -> usize {
        let most = rayon::current_num_threads() * TASKS;
        (rows * self.outputs * self.inputs / SMALL).clamp(1, most)
    }

    /// Runs all tasks of a product into `out` [rows, outputs].
    pub(crate) fn run(self, out: &mut [f32], run: impl Fn(Task<'_>) + Sync) {
        if out.is_empty() {
            return;
        }
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
        if wanted == 1 {
            tasks.into_iter().for_each(&run);
        } else {
            tasks.into_par_iter().for_each(&run);
        }
    }
}
