//! router_logits.wgsl — the router's logits, h[t, e] = x[t]·router[e] + bias[e]; in training x may be jittered and dropped.
//! Twin: src/kernels/router_logits.rs   Dispatch: (column blocks, ceil(T / TILE_ROWS), 1)
//! Parts: dims, rng, input_noise, a tile of kind nt

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;           // f32[T, d]
@group(0) @binding(2) var<storage, read> b: array<vec4f>;           // f32[stride, d]: router, learned noise, the shared expert's gate
@group(0) @binding(3) var<storage, read> bias: array<vec4f>;        // f32[stride]
@group(0) @binding(4) var<storage, read_write> router: array<vec4f>; // f32[2, T, stride]: [0] logits, written here

fn a_row(row: u32) -> u32 { return row; }
fn load_a(row: u32, k: u32) -> vec4f { return x[row * dims.d4 + k] * input_factor(row, k); }

fn store(row: u32, col: u32, c0: vec4f, c1: vec4f) {
    let n4 = dims.stride / 4u;
    router[row * n4 + col] = c0 + bias[col];
    if (col + 1u < n4) { router[row * n4 + col + 1u] = c1 + bias[col + 1u]; }
}

@compute @workgroup_size(TILE_WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    product(0u, dims.d4, group.y * TILE_ROWS, dims.tokens, group.x, lane, dims.d4, dims.stride / 4u);
}
