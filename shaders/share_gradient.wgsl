//! share_gradient.wgsl — every share times its gradient, share[t, m] · ⟨tokens[t], mixtures[T + g·M + m]⟩: what the backward of a
//! softmax begins with.
//! Twin: src/kernels/share_gradient.rs   Dispatch: (column blocks, ceil(S / TILE_ROWS), G)
//! Parts: dims, a tile of kind nt
//!
//! For a share in an output the tokens are the output's gradient and the mixtures the outputs of the experts; for a share in an
//! input they are the input, and the gradient of the inputs of the experts.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> router: array<vec4f>;     // f32[3, T, stride]: logits, shares over tokens, shares over slots
@group(0) @binding(2) var<storage, read> of_tokens: array<vec4f>;  // f32[T + G·M, d]: tokens, then mixtures, not read
@group(0) @binding(3) var<storage, read> b: array<vec4f>;          // f32[T + G·M, d]: tokens, not read, then mixtures
@group(0) @binding(4) var<storage, read_write> found: array<vec4f>; // f32[T, stride]

override SHARES: u32 = 1u;   // which of `router`

fn a_row(t: u32) -> u32 { return t * dims.d4; }
fn load_a(at: u32, k: u32) -> vec4f { return of_tokens[at + k]; }

fn store(t: u32, col: u32, c0: vec4f, c1: vec4f) {
    let n4 = dims.stride / 4u;
    let shares = (SHARES * dims.tokens + t) * n4 + col;
    found[t * n4 + col] = router[shares] * c0;
    if (4u * (col + 1u) < dims.mixtures) { found[t * n4 + col + 1u] = router[shares + 1u] * c1; }
}

@compute @workgroup_size(TILE_WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let first = group.z * dims.group_tokens;
    let mixtures = (dims.tokens + group.z * dims.mixtures) * dims.d4;
    let end = first + dims.group_tokens;
    product(mixtures, dims.d4, first + group.y * TILE_ROWS, end, group.x, lane, dims.d4, dims.mixtures / 4u);
}
