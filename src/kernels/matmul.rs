//! The twins' matrix products, through the `gemm` crate (SIMD natively and in wasm), on one thread.

/// A matrix in a slice: element `(i, j)` at `i·row + j·column`.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    pub data: &'a [f32],
    pub row: usize,
    pub column: usize,
}

/// `c[m, n] = a[m, k] · b[k, n]`, `c` row-major without gaps.
pub(super) fn matmul(c: &mut [f32], [m, n, k]: [usize; 3], a: Matrix, b: Matrix) {
    matmul_within(c, n, [m, n, k], a, b);
}

/// [`matmul`] into the first `n` of each `row` values of `c`, the others untouched.
pub(super) fn matmul_within(c: &mut [f32], row: usize, [m, n, k]: [usize; 3], a: Matrix, b: Matrix) {
    if m == 0 || n == 0 {
        return;
    }
    if k == 0 {
        c.chunks_mut(row).take(m).for_each(|c| c[..n].fill(0.0));
        return;
    }
    let reach = |x: Matrix, rows: usize, columns: usize| (rows - 1) * x.row + (columns - 1) * x.column < x.data.len();
    assert!(
        n <= row && (m - 1) * row + n <= c.len() && reach(a, m, k) && reach(b, k, n),
        "a product reaches past its operands"
    );
    // SAFETY: the assertion above keeps every access inside the three slices; `c` is exclusively borrowed.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            1,
            row as isize,
            false,
            a.data.as_ptr(),
            a.column as isize,
            a.row as isize,
            b.data.as_ptr(),
            b.column as isize,
            b.row as isize,
            0.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
