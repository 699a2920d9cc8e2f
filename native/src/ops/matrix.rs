use gemm::Parallelism;
use rayon::prelude::*;

/// Terms that are summed in one run. A float32 sum of fewer terms rounds less, and adding up the
/// runs costs little.
pub(crate) const RUN: usize = 256;

/// A matrix inside a slice that begins with its first element.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) row_stride: usize,
    pub(crate) column_stride: usize,
}

impl Matrix<'_> {
    fn is_inside_its_slice(&self) -> bool {
        self.rows == 0
            || self.columns == 0
            || (self.rows - 1) * self.row_stride + (self.columns - 1) * self.column_stride
                < self.data.len()
    }
}

/// Adds, on this thread, the product of `a` and `b` to columns `first_column..` of `out`, which is row-major with
/// `out_stride` elements a row.
pub(crate) fn add_product(
    out: &mut [f32],
    out_stride: usize,
    first_column: usize,
    a: Matrix<'_>,
    b: Matrix<'_>,
) {
    let (m, n, k) = (a.rows, b.columns, a.columns);
    if m == 0 || n == 0 || k == 0 {
        return;
    }
    assert_eq!(k, b.rows, "inner dimensions");
    assert!(
        a.is_inside_its_slice() && b.is_inside_its_slice(),
        "operands inside their slices"
    );
    assert!(
        first_column + n <= out_stride,
        "columns inside a row of the result"
    );
    assert!(m * out_stride <= out.len(), "rows inside the result");
    // SAFETY: the assertions above keep every element that the product touches inside the three
    // slices, whose strides are in elements and not negative; `out` is borrowed mutably and so
    // overlaps neither operand.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr().add(first_column),
            1,
            out_stride as isize,
            true,
            a.data.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

/// Fewest and most rows of a product that one task computes: below, reading the weights dominates;
/// beyond, the task's share of both operands leaves the second-level cache.
const TASK_ROWS: std::ops::RangeInclusive<usize> = 48..=192;
/// Columns that one task computes at a time.
const TASK_COLUMNS: usize = 512;

/// Adds `x` [rows, inputs] × `weight` [inputs, outputs] to `out` [rows, outputs], all row-major,
/// and hands every block of finished rows to `finish`, while it is still in the cache.
///
/// Tasks share nothing but what they read, so a thread that comes late holds up nobody else.
pub(crate) fn add_rows(
    out: &mut [f32],
    x: &[f32],
    weight: &[f32],
    (inputs, outputs): (usize, usize),
    finish: impl Fn(&mut [f32]) + Sync,
) {
    if out.is_empty() || inputs == 0 {
        return;
    }
    let rows = out.len() / outputs;
    let share = rows.div_ceil(rayon::current_num_threads());
    let block = share.clamp(*TASK_ROWS.start(), *TASK_ROWS.end());
    out.par_chunks_mut(block * outputs)
        .zip(x.par_chunks(block * inputs))
        .for_each(|(out, x)| {
            for column in (0..outputs).step_by(TASK_COLUMNS) {
                for first in (0..inputs).step_by(RUN) {
                    let a = Matrix {
                        data: &x[first..],
                        rows: out.len() / outputs,
                        columns: RUN.min(inputs - first),
                        row_stride: inputs,
                        column_stride: 1,
                    };
                    let b = Matrix {
                        data: &weight[first * outputs + column..],
                        rows: a.columns,
                        columns: TASK_COLUMNS.min(outputs - column),
                        row_stride: outputs,
                        column_stride: 1,
                    };
                    add_product(out, outputs, column, a, b);
                }
            }
            finish(out);
        });
}
