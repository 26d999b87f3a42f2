//! unmix.wgsl — what a group's mixtures give its tokens: rows[t] += Σ_m share[t, m] · rows[T + g·M + m].
//! Twin: src/kernels/unmix.rs   Dispatch: (column blocks, ceil(S / TILE_ROWS), G)
//! Parts: dims, a tile of kind nn

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> router: array<vec4f>;  // f32[3, T, stride]: logits, shares over tokens, shares over slots
@group(0) @binding(2) var<storage, read_write> b: array<vec4f>; // f32[T + G·M, d]: tokens, added to here, then mixtures

override SHARES: u32 = 1u;   // which of `router`

fn a_row(t: u32) -> u32 { return (SHARES * dims.tokens + t) * (dims.stride / 4u); }
fn load_a(at: u32, k: u32) -> vec4f { return router[at + k]; }

fn store(t: u32, col: u32, c0: vec4f, c1: vec4f) {
    b[t * dims.d4 + col] += c0;
    if (col + 1u < dims.d4) { b[t * dims.d4 + col + 1u] += c1; }
}

@compute @workgroup_size(TILE_WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let first = group.z * dims.group_tokens;
    let mixtures = (dims.tokens + group.z * dims.mixtures) * dims.d4;
    let end = first + dims.group_tokens;
    product(mixtures, dims.d4, first + group.y * TILE_ROWS, end, group.x, lane, dims.mixtures / 4u, dims.d4);
}
