//! mix.wgsl — mixtures of a group's tokens: rows[T + g·M + m] = Σ_t share[t, m] · rows[t].
//! Twin: src/kernels/mix.rs   Dispatch: (column blocks, row blocks, G)
//! Parts: dims, a tile of kind tn
//!
//! Mixtures beyond E·slots have no shares, and become 0.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> router: array<vec4f>;     // f32[3, T, stride]: logits, shares over tokens, shares over slots
@group(0) @binding(2) var<storage, read_write> rows: array<vec4f>; // f32[T + G·M, d]: tokens, then mixtures, written here

override SHARES: u32 = 1u;   // which of `router`

var<private> first_mixture: u32;

fn load_a(t: u32, m: u32) -> vec4f { return router[(SHARES * dims.tokens + t) * (dims.stride / 4u) + m]; }
fn load_b(t: u32, n: u32) -> vec4f { return rows[t * dims.d4 + n]; }
fn store(m: u32, n: u32, c0: vec4f, c1: vec4f, c2: vec4f, c3: vec4f) {
    let at = (first_mixture + m) * dims.d4 + n;
    rows[at] = c0;
    if (n + 1u < dims.d4) { rows[at + 1u] = c1; }
    if (n + 2u < dims.d4) { rows[at + 2u] = c2; }
    if (n + 3u < dims.d4) { rows[at + 3u] = c3; }
}
fn store_sum(m: u32, s: vec4f) {}

@compute @workgroup_size(TILE_WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let first = group.z * dims.group_tokens;
    first_mixture = dims.tokens + group.z * dims.mixtures;
    product(first, first + dims.group_tokens, group.y, group.x, lane, dims.mixtures / 4u, dims.d4);
}
