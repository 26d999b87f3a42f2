//! expert_in_backward.wgsl — gradient of the rows that entered the experts: d_row = d_before·w1 (and ·w3) over all rows at once.
//! Twin: src/kernels/expert_in_backward.rs   Dispatch: indirect (column blocks, tiles, 1)
//! Parts: dims, a tile of kind nn
//!
//! The sum ends at the width of the expert: gradients beyond it are not read.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> d_before: array<vec4f>;    // f32[rows, F | 2F]
@group(0) @binding(2) var<storage, read> b: array<vec4f>;           // f32[experts + units, F | 2F, d]: w1 (and w3)
@group(0) @binding(3) var<storage, read> tiles: array<vec4u>;       // u32[tiles, 4]: whose weights, first row, end row, hidden vec4s
@group(0) @binding(4) var<storage, read_write> d_row: array<vec4f>; // f32[rows, d]

fn a_row(row: u32) -> u32 { return row * dims.k4; }
fn load_a(at: u32, k: u32) -> vec4f { return d_before[at + k]; }

fn store(row: u32, col: u32, c0: vec4f, c1: vec4f) {
    d_row[row * dims.n4 + col] = c0;
    if (col + 1u < dims.n4) { d_row[row * dims.n4 + col + 1u] = c1; }
}

@compute @workgroup_size(TILE_WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let tile = tiles[group.y];
    let k4 = tile.w * (dims.k4 / dims.hidden4);   // w1 alone, or w1 and w3
    product(tile.x * 4u * dims.k4 * dims.n4, dims.n4, tile.y, tile.z, group.x, lane, k4, dims.n4);
}
