//! nt_direct.wgsl — C[r, c] = Σ_k A[r, k] · B[c, k], 16 rows x 16 columns an invocation, no workgroup memory and no barrier.
//!
//! A part: the kernel declares `b` (f32[.., columns, 4·b_stride] as vec4f), and defines
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
    var b0 = b_base + col * 4u * b_stride;
    var b1 = b_base + (col + 1u) * 4u * b_stride;
    var b2 = b_base + (col + 2u) * 4u * b_stride;
    var b3 = b_base + (col + 3u) * 4u * b_stride;
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
        let m0 = mat4x4f(b[b0], b[b0 + b_stride], b[b0 + 2u * b_stride], b[b0 + 3u * b_stride]);
        c00 += a0 * m0;
        c10 += a1 * m0;
        c20 += a2 * m0;
        c30 += a3 * m0;
        c40 += a4 * m0;
        c50 += a5 * m0;
        c60 += a6 * m0;
        c70 += a7 * m0;
        c80 += a8 * m0;
        c90 += a9 * m0;
        ca0 += aa * m0;
        cb0 += ab * m0;
        cc0 += ac * m0;
        cd0 += ad * m0;
        ce0 += ae * m0;
        cf0 += af * m0;
        let m1 = mat4x4f(b[b1], b[b1 + b_stride], b[b1 + 2u * b_stride], b[b1 + 3u * b_stride]);
        c01 += a0 * m1;
        c11 += a1 * m1;
        c21 += a2 * m1;
        c31 += a3 * m1;
        c41 += a4 * m1;
        c51 += a5 * m1;
        c61 += a6 * m1;
        c71 += a7 * m1;
        c81 += a8 * m1;
        c91 += a9 * m1;
        ca1 += aa * m1;
        cb1 += ab * m1;
        cc1 += ac * m1;
        cd1 += ad * m1;
        ce1 += ae * m1;
        cf1 += af * m1;
        let m2 = mat4x4f(b[b2], b[b2 + b_stride], b[b2 + 2u * b_stride], b[b2 + 3u * b_stride]);
        c02 += a0 * m2;
        c12 += a1 * m2;
        c22 += a2 * m2;
        c32 += a3 * m2;
        c42 += a4 * m2;
        c52 += a5 * m2;
        c62 += a6 * m2;
        c72 += a7 * m2;
        c82 += a8 * m2;
        c92 += a9 * m2;
        ca2 += aa * m2;
        cb2 += ab * m2;
        cc2 += ac * m2;
        cd2 += ad * m2;
        ce2 += ae * m2;
        cf2 += af * m2;
        let m3 = mat4x4f(b[b3], b[b3 + b_stride], b[b3 + 2u * b_stride], b[b3 + 3u * b_stride]);
        c03 += a0 * m3;
        c13 += a1 * m3;
        c23 += a2 * m3;
        c33 += a3 * m3;
        c43 += a4 * m3;
        c53 += a5 * m3;
        c63 += a6 * m3;
        c73 += a7 * m3;
        c83 += a8 * m3;
        c93 += a9 * m3;
        ca3 += aa * m3;
        cb3 += ab * m3;
        cc3 += ac * m3;
        cd3 += ad * m3;
        ce3 += ae * m3;
        cf3 += af * m3;
        b0++; b1++; b2++; b3++;
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
