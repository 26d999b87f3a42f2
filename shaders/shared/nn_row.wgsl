//! nn_row.wgsl — C[r, c] = Σ_k A[r, k] · B[k, c], 1 row x 16 columns an invocation, no workgroup memory and no barrier.
//!
//! A part: the kernel declares `b` (f32[.., k, 4·b_stride] as vec4f), and defines
//! `a_row(row) -> u32`, `load_a(a_row, k) -> vec4f` and `store(row, col, c0, c1)` for two neighbouring vec4s of a row.
//! Named accumulators, because software adapters keep only those in registers; 4x4 blocks of B as matrices, so that
//! a block of k is one product.

const TILE_ROWS = 1u;
const TILE_COLUMNS = 64u;   // of a workgroup
const TILE_WORKGROUP = 4u;

/// Rows `first..min(first + TILE_ROWS, end)` and the `block`-th TILE_COLUMNS columns of a product with `k4` vec4s of k and
/// `n4` vec4s of columns; `b_base`: where B begins, `b_stride`: from one of its rows to the next, in vec4s.
fn product(b_base: u32, b_stride: u32, first: u32, end: u32, block: u32, lane: u32, k4: u32, n4: u32) {
    let col = (block * TILE_WORKGROUP + lane) * 4u;
    if (col >= n4) { return; }
    var c00 = vec4f(); var c01 = vec4f(); var c02 = vec4f(); var c03 = vec4f();
    let r0 = a_row(min(first, end - 1u));
    var at = b_base + col;
    for (var k = 0u; k < k4; k++) {
        let a0 = load_a(r0, k);
        let m0 = mat4x4f(b[at + 0u], b[at + b_stride + 0u], b[at + 2u * b_stride + 0u], b[at + 3u * b_stride + 0u]);
        c00 += m0 * a0;
        let m1 = mat4x4f(b[at + 1u], b[at + b_stride + 1u], b[at + 2u * b_stride + 1u], b[at + 3u * b_stride + 1u]);
        c01 += m1 * a0;
        let m2 = mat4x4f(b[at + 2u], b[at + b_stride + 2u], b[at + 2u * b_stride + 2u], b[at + 3u * b_stride + 2u]);
        c02 += m2 * a0;
        let m3 = mat4x4f(b[at + 3u], b[at + b_stride + 3u], b[at + 2u * b_stride + 3u], b[at + 3u * b_stride + 3u]);
        c03 += m3 * a0;
        at += 4u * b_stride;
    }
    if (first < end) { store(first, col, c00, c01); if (col + 2u < n4) { store(first, col + 2u, c02, c03); } }
}
