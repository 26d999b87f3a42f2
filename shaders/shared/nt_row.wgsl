//! nt_row.wgsl — C[r, c] = Σ_k A[r, k] · B[c, k], 1 row x 16 columns an invocation, no workgroup memory and no barrier.
//!
//! A part: the kernel declares `b` (f32[.., columns, 4·b_stride] as vec4f), and defines
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
    var b0 = b_base + col * 4u * b_stride;
    var b1 = b_base + (col + 1u) * 4u * b_stride;
    var b2 = b_base + (col + 2u) * 4u * b_stride;
    var b3 = b_base + (col + 3u) * 4u * b_stride;
    for (var k = 0u; k < k4; k++) {
        let a0 = load_a(r0, k);
        let m0 = mat4x4f(b[b0], b[b0 + b_stride], b[b0 + 2u * b_stride], b[b0 + 3u * b_stride]);
        c00 += a0 * m0;
        let m1 = mat4x4f(b[b1], b[b1 + b_stride], b[b1 + 2u * b_stride], b[b1 + 3u * b_stride]);
        c01 += a0 * m1;
        let m2 = mat4x4f(b[b2], b[b2 + b_stride], b[b2 + 2u * b_stride], b[b2 + 3u * b_stride]);
        c02 += a0 * m2;
        let m3 = mat4x4f(b[b3], b[b3 + b_stride], b[b3 + 2u * b_stride], b[b3 + 3u * b_stride]);
        c03 += a0 * m3;
        b0++; b1++; b2++; b3++;
    }
    if (first < end) { store(first, col, c00, c01); if (col + 2u < n4) { store(first, col + 2u, c02, c03); } }
}
