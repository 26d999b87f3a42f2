//! tn_workgroup.wgsl — C[m, n] = Σ_r A[r, m] · B[r, n] over rows r, 64 m x 128 n a workgroup through workgroup memory,
//! 8 m x 16 n an invocation.
//!
//! The same interface as tn_direct.wgsl; 8 rows of A and B are staged at a time.

const TILE_M = 64u;
const TILE_COLUMNS = 128u;
const TILE_WORKGROUP = 64u;

var<workgroup> stage_a: array<vec4f, 128>;   // [8 rows, 16 of m]
var<workgroup> stage_b: array<vec4f, 256>;   // [8 rows, 32 of n]

/// See tn_direct.wgsl. All arguments but `lane` are the same for the whole workgroup.
fn product(first: u32, end: u32, m_block: u32, n_block: u32, lane: u32, m4: u32, n4: u32) {
    if (m_block * 16u >= m4 || n_block * 32u >= n4) { return; }
    let ml = (lane >> 3u) * 2u;
    let nl = (lane & 7u) * 4u;
    let m = m_block * 16u + ml;
    let n = n_block * 32u + nl;
    var c00 = vec4f(); var c01 = vec4f(); var c02 = vec4f(); var c03 = vec4f();
    var c10 = vec4f(); var c11 = vec4f(); var c12 = vec4f(); var c13 = vec4f();
    var c20 = vec4f(); var c21 = vec4f(); var c22 = vec4f(); var c23 = vec4f();
    var c30 = vec4f(); var c31 = vec4f(); var c32 = vec4f(); var c33 = vec4f();
    var c40 = vec4f(); var c41 = vec4f(); var c42 = vec4f(); var c43 = vec4f();
    var c50 = vec4f(); var c51 = vec4f(); var c52 = vec4f(); var c53 = vec4f();
    var c60 = vec4f(); var c61 = vec4f(); var c62 = vec4f(); var c63 = vec4f();
    var c70 = vec4f(); var c71 = vec4f(); var c72 = vec4f(); var c73 = vec4f();
    var s0 = vec4f(); var s1 = vec4f();
    for (var r0 = first; r0 < end; r0 += 8u) {
        for (var q = lane; q < 128u; q += 64u) {
            let r = r0 + (q >> 4u);
            stage_a[q] = select(vec4f(), load_a(min(r, end - 1u), m_block * 16u + (q & 15u)), r < end);
        }
        for (var q = lane; q < 256u; q += 64u) {
            let r = r0 + (q >> 5u);
            stage_b[q] = select(vec4f(), load_b(min(r, end - 1u), n_block * 32u + (q & 31u)), r < end);
        }
        workgroupBarrier();
        for (var q = 0u; q < 8u; q++) {
            let a0 = stage_a[q * 16u + ml]; let a1 = stage_a[q * 16u + ml + 1u];
            let at = q * 32u + nl;
            let b0 = stage_b[at]; let b1 = stage_b[at + 1u]; let b2 = stage_b[at + 2u]; let b3 = stage_b[at + 3u];
            s0 += a0; s1 += a1;
            c00 += a0.x * b0; c01 += a0.x * b1; c02 += a0.x * b2; c03 += a0.x * b3;
            c10 += a0.y * b0; c11 += a0.y * b1; c12 += a0.y * b2; c13 += a0.y * b3;
            c20 += a0.z * b0; c21 += a0.z * b1; c22 += a0.z * b2; c23 += a0.z * b3;
            c30 += a0.w * b0; c31 += a0.w * b1; c32 += a0.w * b2; c33 += a0.w * b3;
            c40 += a1.x * b0; c41 += a1.x * b1; c42 += a1.x * b2; c43 += a1.x * b3;
            c50 += a1.y * b0; c51 += a1.y * b1; c52 += a1.y * b2; c53 += a1.y * b3;
            c60 += a1.z * b0; c61 += a1.z * b1; c62 += a1.z * b2; c63 += a1.z * b3;
            c70 += a1.w * b0; c71 += a1.w * b1; c72 += a1.w * b2; c73 += a1.w * b3;
        }
        workgroupBarrier();
    }
    if (n >= n4 || m >= m4) { return; }
    // by index from here on: the stores are compiled once, not once for every accumulator
    var c = array<array<vec4f, 4>, 8>(
        array(c00, c01, c02, c03),
        array(c10, c11, c12, c13),
        array(c20, c21, c22, c23),
        array(c30, c31, c32, c33),
        array(c40, c41, c42, c43),
        array(c50, c51, c52, c53),
        array(c60, c61, c62, c63),
        array(c70, c71, c72, c73));
    for (var i = 0u; i < min(8u, 4u * (m4 - m)); i++) { store(4u * m + i, n, c[i][0], c[i][1], c[i][2], c[i][3]); }
    if (n == 0u) { store_sum(m, s0); store_sum(m + 1u, s1); }
}
