use gemm::Parallelism;

/// A matrix in a slice whose first element is the matrix's own.
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

/// Adds the product of `a` and `b` to columns `first_column..` of `out`, which is row-major with
/// `out_stride` elements per row. Runs on the calling thread.
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
    // SAFETY: the assertions above ensure that every element the product reads or writes lies
    // inside its slice; strides count elements and are not negative; `out` is borrowed mutably and
    // so overlaps neither operand.
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
