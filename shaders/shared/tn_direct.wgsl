//! tn_direct.wgsl — C[m, n] = Σ_r A[r, m] · B[r, n] over rows r, 16 m x 16 n an invocation, no workgroup memory.
//!
//! A part: the kernel defines `load_a(row, m) -> vec4f`, `load_b(row, n) -> vec4f`, `store(m, n, c0, c1, c2, c3)` for four
//! neighbouring vec4s of row m, and `store_sum(m, s)` for Σ_r A[r, 4m..4m+4].

const TILE_M = 16u;         // of a workgroup
const TILE_COLUMNS = 64u;   // of a workgroup
const TILE_WORKGROUP = 4u;

/// Rows `first..end`, the `m_block`-th TILE_M of m and the `n_block`-th TILE_COLUMNS of n; `m4`, `n4`: sizes in vec4s.
fn product(first: u32, end: u32, m_block: u32, n_block: u32, lane: u32, m4: u32, n4: u32) {
    let n = (n_block * TILE_WORKGROUP + lane) * 4u;
    let m = m_block * 4u;
    if (n >= n4 || m >= m4) { return; }
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
    var s0 = vec4f(); var s1 = vec4f(); var s2 = vec4f(); var s3 = vec4f();
    for (var r = first; r < end; r++) {
        let a0 = load_a(r, m); let a1 = load_a(r, m + 1u); let a2 = load_a(r, m + 2u); let a3 = load_a(r, m + 3u);
        let b0 = load_b(r, n); let b1 = load_b(r, n + 1u); let b2 = load_b(r, n + 2u); let b3 = load_b(r, n + 3u);
        s0 += a0; s1 += a1; s2 += a2; s3 += a3;
        c00 += a0.x * b0; c01 += a0.x * b1; c02 += a0.x * b2; c03 += a0.x * b3;
        c10 += a0.y * b0; c11 += a0.y * b1; c12 += a0.y * b2; c13 += a0.y * b3;
        c20 += a0.z * b0; c21 += a0.z * b1; c22 += a0.z * b2; c23 += a0.z * b3;
        c30 += a0.w * b0; c31 += a0.w * b1; c32 += a0.w * b2; c33 += a0.w * b3;
        c40 += a1.x * b0; c41 += a1.x * b1; c42 += a1.x * b2; c43 += a1.x * b3;
        c50 += a1.y * b0; c51 += a1.y * b1; c52 += a1.y * b2; c53 += a1.y * b3;
        c60 += a1.z * b0; c61 += a1.z * b1; c62 += a1.z * b2; c63 += a1.z * b3;
        c70 += a1.w * b0; c71 += a1.w * b1; c72 += a1.w * b2; c73 += a1.w * b3;
        c80 += a2.x * b0; c81 += a2.x * b1; c82 += a2.x * b2; c83 += a2.x * b3;
        c90 += a2.y * b0; c91 += a2.y * b1; c92 += a2.y * b2; c93 += a2.y * b3;
        ca0 += a2.z * b0; ca1 += a2.z * b1; ca2 += a2.z * b2; ca3 += a2.z * b3;
        cb0 += a2.w * b0; cb1 += a2.w * b1; cb2 += a2.w * b2; cb3 += a2.w * b3;
        cc0 += a3.x * b0; cc1 += a3.x * b1; cc2 += a3.x * b2; cc3 += a3.x * b3;
        cd0 += a3.y * b0; cd1 += a3.y * b1; cd2 += a3.y * b2; cd3 += a3.y * b3;
        ce0 += a3.z * b0; ce1 += a3.z * b1; ce2 += a3.z * b2; ce3 += a3.z * b3;
        cf0 += a3.w * b0; cf1 += a3.w * b1; cf2 += a3.w * b2; cf3 += a3.w * b3;
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
    for (var i = 0u; i < min(16u, 4u * (m4 - m)); i++) { store(4u * m + i, n, c[i][0], c[i][1], c[i][2], c[i][3]); }
    if (n == 0u) { store_sum(m, s0); store_sum(m + 1u, s1); store_sum(m + 2u, s2); store_sum(m + 3u, s3); }
}
