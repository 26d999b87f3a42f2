//! expert_in.wgsl — the experts' first product over all rows at once: u = x·w1ᵀ + b1, hidden = act(u), or act(u) ⊙ (x·w3ᵀ + b3).
//! Twin: src/kernels/expert_in.rs   Dispatch: indirect (column blocks, tiles, 1)
//! Parts: dims, activation, a tile of kind nt
//!
//! The gather of tokens is fused into the load, bias, activation and gating into the store. With GATED the weights alternate
//! four rows of w1 and four of w3, so that an invocation holds both halves of what it multiplies. Columns beyond an expert's
//! width are neither computed nor written.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;          // f32[T, d], or f32[rows, d] if not GATHER
@group(0) @binding(2) var<storage, read> held: array<u32>;         // u32[rows]: token · columns + choice
@group(0) @binding(3) var<storage, read> b: array<vec4f>;          // f32[experts + units, F | 2F, d]
@group(0) @binding(4) var<storage, read> bias: array<vec4f>;       // f32[experts + units, F | 2F], read if BIAS
@group(0) @binding(5) var<storage, read> tiles: array<vec4u>;      // u32[tiles, 4]: whose weights, first row, end row, hidden vec4s
@group(0) @binding(6) var<storage, read_write> hidden: array<vec4f>; // f32[rows, F]
@group(0) @binding(7) var<storage, read_write> before: array<vec4f>; // f32[rows, F | 2F]: before the activation, written if KEEP

override GATHER: u32 = 1u;   // 1: row of x = token of the row
override GATED: u32 = 0u;
override BIAS: u32 = 0u;
override KEEP: u32 = 0u;     // 1: keep what backward needs

var<private> expert: u32;
var<private> columns4: u32;   // vec4s of columns that the expert has

fn a_row(row: u32) -> u32 {
    if (GATHER == 1u) { return held[row] / dims.columns * dims.k4; }
    return row * dims.k4;
}
fn load_a(at: u32, k: u32) -> vec4f { return x[at + k]; }

fn store(row: u32, col: u32, c0: vec4f, c1: vec4f) {
    let more = col + 1u < columns4;
    var u = c0;
    var v = c1;
    if (BIAS == 1u) {
        u += bias[expert * dims.n4 + col];
        if (more) { v += bias[expert * dims.n4 + col + 1u]; }
    }
    if (KEEP == 1u) {
        before[row * dims.n4 + col] = u;
        if (more) { before[row * dims.n4 + col + 1u] = v; }
    }
    if (GATED == 1u) {
        hidden[row * dims.hidden4 + col / 2u] = activate(u) * v;
    } else {
        hidden[row * dims.hidden4 + col] = activate(u);
        if (more) { hidden[row * dims.hidden4 + col + 1u] = activate(v); }
    }
}

@compute @workgroup_size(TILE_WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let tile = tiles[group.y];
    let n4 = select(tile.w, 2u * tile.w, GATED == 1u);
    expert = tile.x;
    columns4 = n4;
    product(tile.x * 4u * dims.n4 * dims.k4, dims.k4, tile.y, tile.z, group.x, lane, dims.k4, n4);
}
