//! The twins' matrix products, on one thread: through the `gemm` crate, but for `A·Bᵀ` in wasm.

mod dot;

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
    // In wasm (V8, one core of Zen 5, GFLOP/s) our own takes 47 where `gemm` takes 24 for 16 rows by 512 by 256 of 64 experts,
    // 54 for 41 with 256 rows by 1024 by 256, 35 for 13 with one row by 2048 by 512: it need not pack the weights. Natively
    // `gemm` has AVX2 and FMA, and is faster.
    let by_rows = [a.column, b.row] == [1, 1] && n.is_multiple_of(4) && k.is_multiple_of(4);
    if cfg!(target_arch = "wasm32") && by_rows {
        return dot::multiply(c, row, [m, n, k], a, b);
    }
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
