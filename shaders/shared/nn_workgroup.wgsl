//! nn_workgroup.wgsl — C[r, c] = Σ_k A[r, k] · B[k, c], 64 rows x 64 columns a workgroup through workgroup memory, 8 x 8 an invocation.
//!
//! The same interface as nn_direct.wgsl; for adapters with real workgroup memory. Both tiles are staged 16 k at a time;
//! rows of the stage are 5 vec4s apart, so that neighbouring rows lie in different banks.

const TILE_ROWS = 64u;
const TILE_COLUMNS = 64u;
const TILE_WORKGROUP = 64u;

var<workgroup> stage_a: array<vec4f, 320>;   // [64 rows, 4 of k (+1)]
var<workgroup> stage_b: array<vec4f, 256>;   // [16 k, 16 of columns]

/// See nn_direct.wgsl. All arguments but `lane` are the same for the whole workgroup.
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
            let k = k0 * 4u + q * 4u + (lane >> 4u);
            let column = min(block * 16u + (lane & 15u), n4 - 1u);
            stage_b[q * 64u + lane] = select(vec4f(), b[b_base + min(k, 4u * k4 - 1u) * b_stride + column], k < 4u * k4);
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
            let s0 = q * 64u + (lane & 7u) * 2u + 0u;
            let m0 = mat4x4f(stage_b[s0], stage_b[s0 + 16u], stage_b[s0 + 32u], stage_b[s0 + 48u]);
            let s1 = q * 64u + (lane & 7u) * 2u + 1u;
            let m1 = mat4x4f(stage_b[s1], stage_b[s1 + 16u], stage_b[s1 + 32u], stage_b[s1 + 48u]);
            c00 += m0 * a0; c01 += m1 * a0;
            c10 += m0 * a1; c11 += m1 * a1;
            c20 += m0 * a2; c21 += m1 * a2;
            c30 += m0 * a3; c31 += m1 * a3;
            c40 += m0 * a4; c41 += m1 * a4;
            c50 += m0 * a5; c51 += m1 * a5;
            c60 += m0 * a6; c61 += m1 * a6;
            c70 += m0 * a7; c71 += m1 * a7;
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
