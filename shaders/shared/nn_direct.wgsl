//! nn_direct.wgsl — C[r, c] = Σ_k A[r, k] · B[k, c], 16 rows x 16 columns an invocation, no workgroup memory and no barrier.
//!
//! A part: the kernel declares `b` (f32[.., k, 4·b_stride] as vec4f), and defines
//! `a_row(row) -> u32`, `load_a(a_row, k) -> vec4f` and `store(row, col, c0, c1)` for two neighbouring vec4s of a row.
//! Named accumulators, because software adapters keep only those in registers; 4x4 blocks of B as matrices, so that
//! a block of k is one product. Measured fastest on SwiftShader and lavapipe.

const TILE_ROWS = 16u;
const TILE_COLUMNS = 64u;   // of a workgroup
const TILE_WORKGROUP = 4u;

/// Rows `first..min(first + TILE_ROWS, end)` and the `block`-th TILE_COLUMNS columns of a product with `k4` vec4s of k and
/// `n4` vec4s of columns; `b_base`: where B begins, `b_stride`: from one of its rows to the next, in vec4s.
fn product(b_base: u32, b_stride: u32, first: u32, end: u32, block: u32, lane: u32, k4: u32, n4: u32) {
    let col = (block * TILE_WORKGROUP + lane) * 4u;
    if (col >= n4) { return; }
    var c00 = vec4f(); var c01 = vec4f(); var c02 = vec4f(); var c03 = vec4f();
    var c10 = vec4f(); var c11 = vec4f(); var c12 = vec4f(); var c13 = vec4f();
    var c20 = vec4f(); var c21 = vec4f(); var c22 = vec4f(); var c23 = vec4f();
    var c30 = vec4f(); var c31 = vec4f(); var c32 = vec4f(); var c33 = vec4f();
    var c40 = vec4f(); var c41 = vec4f(); var c42 = vec4f(); var c43 = vec4f();
    var c50 = vec4f(); var c51 = vec4f(); var c52 = vec4f(); var c53 = vec4f();
    var c60 = vec4f(); var c61 = vec4f(); var c62 = vec4f(); var c63 = vec4f();
    var c70 = vec4f(); var c71 = vec4f(); var c72 = vec4f(); var c73 = vec4f();
    var c80 = vec4f(); var c81 = vec4f(); var c82 = vec4f(); var c83 = vec4f();
    var c90 = vec4f(); var c91 = vec4f(); var c92 = vec4f(); var c93 = vec4f();
    var ca0 = vec4f(); var ca1 = vec4f(); var ca2 = vec4f(); var ca3 = vec4f();
    var cb0 = vec4f(); var cb1 = vec4f(); var cb2 = vec4f(); var cb3 = vec4f();
    var cc0 = vec4f(); var cc1 = vec4f(); var cc2 = vec4f(); var cc3 = vec4f();
    var cd0 = vec4f(); var cd1 = vec4f(); var cd2 = vec4f(); var cd3 = vec4f();
    var ce0 = vec4f(); var ce1 = vec4f(); var ce2 = vec4f(); var ce3 = vec4f();
    var cf0 = vec4f(); var cf1 = vec4f(); var cf2 = vec4f(); var cf3 = vec4f();
    let r0 = a_row(min(first, end - 1u));
    let r1 = a_row(min(first + 1u, end - 1u));
    let r2 = a_row(min(first + 2u, end - 1u));
    let r3 = a_row(min(first + 3u, end - 1u));
    let r4 = a_row(min(first + 4u, end - 1u));
    let r5 = a_row(min(first + 5u, end - 1u));
    let r6 = a_row(min(first + 6u, end - 1u));
    let r7 = a_row(min(first + 7u, end - 1u));
    let r8 = a_row(min(first + 8u, end - 1u));
    let r9 = a_row(min(first + 9u, end - 1u));
    let ra = a_row(min(first + 10u, end - 1u));
    let rb = a_row(min(first + 11u, end - 1u));
    let rc = a_row(min(first + 12u, end - 1u));
    let rd = a_row(min(first + 13u, end - 1u));
    let re = a_row(min(first + 14u, end - 1u));
    let rf = a_row(min(first + 15u, end - 1u));
    var at = b_base + col;
    for (var k = 0u; k < k4; k++) {
        let a0 = load_a(r0, k);
        let a1 = load_a(r1, k);
        let a2 = load_a(r2, k);
        let a3 = load_a(r3, k);
        let a4 = load_a(r4, k);
        let a5 = load_a(r5, k);
        let a6 = load_a(r6, k);
        let a7 = load_a(r7, k);
        let a8 = load_a(r8, k);
        let a9 = load_a(r9, k);
        let aa = load_a(ra, k);
        let ab = load_a(rb, k);
        let ac = load_a(rc, k);
        let ad = load_a(rd, k);
        let ae = load_a(re, k);
        let af = load_a(rf, k);
        let m0 = mat4x4f(b[at + 0u], b[at + b_stride + 0u], b[at + 2u * b_stride + 0u], b[at + 3u * b_stride + 0u]);
        c00 += m0 * a0;
        c10 += m0 * a1;
        c20 += m0 * a2;
        c30 += m0 * a3;
        c40 += m0 * a4;
        c50 += m0 * a5;
        c60 += m0 * a6;
        c70 += m0 * a7;
        c80 += m0 * a8;
        c90 += m0 * a9;
        ca0 += m0 * aa;
        cb0 += m0 * ab;
        cc0 += m0 * ac;
        cd0 += m0 * ad;
        ce0 += m0 * ae;
        cf0 += m0 * af;
        let m1 = mat4x4f(b[at + 1u], b[at + b_stride + 1u], b[at + 2u * b_stride + 1u], b[at + 3u * b_stride + 1u]);
        c01 += m1 * a0;
        c11 += m1 * a1;
        c21 += m1 * a2;
        c31 += m1 * a3;
        c41 += m1 * a4;
        c51 += m1 * a5;
        c61 += m1 * a6;
        c71 += m1 * a7;
        c81 += m1 * a8;
        c91 += m1 * a9;
        ca1 += m1 * aa;
        cb1 += m1 * ab;
        cc1 += m1 * ac;
        cd1 += m1 * ad;
        ce1 += m1 * ae;
        cf1 += m1 * af;
        let m2 = mat4x4f(b[at + 2u], b[at + b_stride + 2u], b[at + 2u * b_stride + 2u], b[at + 3u * b_stride + 2u]);
        c02 += m2 * a0;
        c12 += m2 * a1;
        c22 += m2 * a2;
        c32 += m2 * a3;
        c42 += m2 * a4;
        c52 += m2 * a5;
        c62 += m2 * a6;
        c72 += m2 * a7;
        c82 += m2 * a8;
        c92 += m2 * a9;
        ca2 += m2 * aa;
        cb2 += m2 * ab;
        cc2 += m2 * ac;
        cd2 += m2 * ad;
        ce2 += m2 * ae;
        cf2 += m2 * af;
        let m3 = mat4x4f(b[at + 3u], b[at + b_stride + 3u], b[at + 2u * b_stride + 3u], b[at + 3u * b_stride + 3u]);
        c03 += m3 * a0;
        c13 += m3 * a1;
        c23 += m3 * a2;
        c33 += m3 * a3;
        c43 += m3 * a4;
        c53 += m3 * a5;
        c63 += m3 * a6;
        c73 += m3 * a7;
        c83 += m3 * a8;
        c93 += m3 * a9;
        ca3 += m3 * aa;
        cb3 += m3 * ab;
        cc3 += m3 * ac;
        cd3 += m3 * ad;
        ce3 += m3 * ae;
        cf3 += m3 * af;
        at += 4u * b_stride;
    }
    // by index from here on: the stores are compiled once, not once for every accumulator
    var c = array<array<vec4f, 4>, 16>(
        array(c00, c01, c02, c03),
        array(c10, c11, c12, c13),
        array(c20, c21, c22, c23),
        array(c30, c31, c32, c33),
        array(c40, c41, c42, c43),
        array(c50, c51, c52, c53),
        array(c60, c61, c62, c63),
        array(c70, c71, c72, c73),
        array(c80, c81, c82, c83),
        array(c90, c91, c92, c93),
        array(ca0, ca1, ca2, ca3),
        array(cb0, cb1, cb2, cb3),
        array(cc0, cc1, cc2, cc3),
        array(cd0, cd1, cd2, cd3),
        array(ce0, ce1, ce2, ce3),
        array(cf0, cf1, cf2, cf3));
    for (var i = 0u; i < min(16u, end - first); i++) {
        for (var j = 0u; j < min(4u, n4 - col); j += 2u) { store(first + i, col + j, c[i][j], c[i][j + 1u]); }
    }
}
