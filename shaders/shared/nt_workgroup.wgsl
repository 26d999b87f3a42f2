//! nt_workgroup.wgsl — C[r, c] = Σ_k A[r, k] · B[c, k], 64 rows x 64 columns a workgroup through workgroup memory, 8 x 8 an invocation.
//!
//! The same interface as nt_direct.wgsl; for adapters with real workgroup memory. Both tiles are staged 16 k at a time;
//! rows of the stage are 5 vec4s apart, so that neighbouring rows lie in different banks.

const TILE_ROWS = 64u;
const TILE_COLUMNS = 64u;
const TILE_WORKGROUP = 64u;

var<workgroup> stage_a: array<vec4f, 320>;   // [64 rows, 4 of k (+1)]
var<workgroup> stage_b: array<vec4f, 320>;   // [64 columns, 4 of k (+1)]

/// See nt_direct.wgsl. All arguments but `lane` are the same for the whole workgroup.
fn product(b_base: u32, b_stride: u32, first: u32, end: u32, block: u32, lane: u32, k4: u32, n4: u32) {
    if (block * 16u >= n4) { return; }
    let row = first + (lane >> 3u) * 8u;
    let col = block * 16u + (lane & 7u) * 2u;
    var c00 = vec4f(); var c01 = vec4f();
    var c10 = vec4f(); var c11 = vec4f();
    var c20 = vec4f(); var c21 = vec4f();
    var c30 = vec4f(); var c31 = vec4f();
    var c40 = vec4f(); var c41 = vec4f();
    var c50 = vec4f(); var c51 = vec4f();
    var c60 = vec4f(); var c61 = vec4f();
    var c70 = vec4f(); var c71 = vec4f();
    let own_row = a_row(min(first + lane, end - 1u));
    for (var k0 = 0u; k0 < k4; k0 += 4u) {
        for (var q = 0u; q < 4u; q++) {
            let inside = k0 + q < k4;
            stage_a[lane * 5u + q] = select(vec4f(), load_a(own_row, min(k0 + q, k4 - 1u)), inside);
            let column = min(block * 64u + lane, 4u * n4 - 1u);
            stage_b[lane * 5u + q] = select(vec4f(), b[b_base + column * b_stride + min(k0 + q, k4 - 1u)], inside);
        }
        workgroupBarrier();
        let ra = (lane >> 3u) * 40u;
        for (var q = 0u; q < 4u; q++) {
            let a0 = stage_a[ra + 0u + q];
            let a1 = stage_a[ra + 5u + q];
            let a2 = stage_a[ra + 10u + q];
            let a3 = stage_a[ra + 15u + q];
            let a4 = stage_a[ra + 20u + q];
            let a5 = stage_a[ra + 25u + q];
            let a6 = stage_a[ra + 30u + q];
            let a7 = stage_a[ra + 35u + q];
            let s0 = ((lane & 7u) * 8u + 0u) * 5u + q;
            let m0 = mat4x4f(stage_b[s0], stage_b[s0 + 5u], stage_b[s0 + 10u], stage_b[s0 + 15u]);
            let s1 = ((lane & 7u) * 8u + 4u) * 5u + q;
            let m1 = mat4x4f(stage_b[s1], stage_b[s1 + 5u], stage_b[s1 + 10u], stage_b[s1 + 15u]);
            c00 += a0 * m0; c01 += a0 * m1;
            c10 += a1 * m0; c11 += a1 * m1;
            c20 += a2 * m0; c21 += a2 * m1;
            c30 += a3 * m0; c31 += a3 * m1;
            c40 += a4 * m0; c41 += a4 * m1;
            c50 += a5 * m0; c51 += a5 * m1;
            c60 += a6 * m0; c61 += a6 * m1;
            c70 += a7 * m0; c71 += a7 * m1;
        }
        workgroupBarrier();
    }
    if (col >= n4 || row >= end) { return; }
    // by index from here on: the stores are compiled once, not once for every accumulator
    var c = array<array<vec4f, 2>, 8>(
        array(c00, c01),
        array(c10, c11),
        array(c20, c21),
        array(c30, c31),
        array(c40, c41),
        array(c50, c51),
        array(c60, c61),
        array(c70, c71));
    for (var i = 0u; i < min(8u, end - row); i++) {
        store(row + i, col, c[i][0], c[i][1]);
    }
}
