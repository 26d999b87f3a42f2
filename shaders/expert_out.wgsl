//! expert_out.wgsl — the experts' second product over all rows at once: out = hidden·w2ᵀ + b2.
//! Twin: src/kernels/expert_out.rs   Dispatch: indirect (column blocks, tiles, 1)
//! Parts: dims, a tile of kind nt
//!
//! The sum ends at the width of the expert: hidden values beyond it are not read.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> hidden: array<vec4f>;    // f32[rows, F]
@group(0) @binding(2) var<storage, read> b: array<vec4f>;         // f32[experts + units, d, F]
@group(0) @binding(3) var<storage, read> bias: array<vec4f>;      // f32[experts + units, d], read if BIAS
@group(0) @binding(4) var<storage, read> tiles: array<vec4u>;     // u32[tiles, 4]: whose weights, first row, end row, hidden vec4s
@group(0) @binding(5) var<storage, read_write> out: array<vec4f>; // f32[rows, d]

override BIAS: u32 = 0u;

var<private> expert: u32;

fn a_row(row: u32) -> u32 { return row * dims.k4; }
fn load_a(at: u32, k: u32) -> vec4f { return hidden[at + k]; }

fn store(row: u32, col: u32, c0: vec4f, c1: vec4f) {
    let more = col + 1u < dims.n4;
    var u = c0;
    var v = c1;
    if (BIAS == 1u) {
        u += bias[expert * dims.n4 + col];
        if (more) { v += bias[expert * dims.n4 + col + 1u]; }
    }
    out[row * dims.n4 + col] = u;
    if (more) { out[row * dims.n4 + col + 1u] = v; }
}

@compute @workgroup_size(TILE_WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let tile = tiles[group.y];
    expert = tile.x;
    product(tile.x * 4u * dims.n4 * dims.k4, dims.k4, tile.y, tile.z, group.x, lane, tile.w, dims.n4);
}
