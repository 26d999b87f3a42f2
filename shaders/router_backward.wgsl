//! router_backward.wgsl — gradient of the layer's input: dx[t] = (d_logits[t]·router) ⊙ noise + Σ_j the j-th assignment's row.
//! Twin: src/kernels/router_backward.rs   Dispatch: (column blocks, ceil(T / TILE_ROWS), 1)
//! Parts: dims, rng, input_noise, a tile of kind nn

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> d_logits: array<vec4f>;   // f32[T, stride]
@group(0) @binding(2) var<storage, read> b: array<vec4f>;          // f32[stride, d]: router
@group(0) @binding(3) var<storage, read> d_row: array<vec4f>;      // f32[rows, d]
@group(0) @binding(4) var<storage, read> placement: array<vec2u>;  // u32[T, columns, 2]
@group(0) @binding(5) var<storage, read_write> dx: array<vec4f>;   // f32[T, d]

fn a_row(row: u32) -> u32 { return row * (dims.stride / 4u); }
fn load_a(at: u32, k: u32) -> vec4f { return d_logits[at + k]; }

fn store_one(t: u32, i: u32, through_router: vec4f) {
    var sum = through_router * input_factor(t, i);
    for (var j = 0u; j < dims.columns; j++) {
        let a = t * dims.columns + j;
        let row = placement[a].y;
        if (row != DROPPED) { sum += d_row[row * dims.d4 + i]; }
    }
    dx[t * dims.d4 + i] = sum;
}

fn store(row: u32, col: u32, c0: vec4f, c1: vec4f) {
    store_one(row, col, c0);
    if (col + 1u < dims.d4) { store_one(row, col + 1u, c1); }
}

@compute @workgroup_size(TILE_WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    product(0u, dims.d4, group.y * TILE_ROWS, dims.tokens, group.x, lane, dims.stride / 4u, dims.d4);
}
