//! expert_out_backward.wgsl — d_hidden = d_out·w2 over all rows at once, through the activation (and gating) to d_before.
//! Twin: src/kernels/expert_out_backward.rs   Dispatch: indirect (column blocks, tiles, 1)
//! Parts: dims, activation, a tile of kind nn
//!
//! Columns beyond the width of an expert are neither read nor written.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> d_out: array<vec4f>;         // f32[rows, d]
@group(0) @binding(2) var<storage, read> b: array<vec4f>;             // f32[experts + units, d, F]: w2
@group(0) @binding(3) var<storage, read> before: array<vec4f>;        // f32[rows, F | 2F]: before the activation
@group(0) @binding(4) var<storage, read> tiles: array<vec4u>;         // u32[tiles, 4]: whose weights, first row, end row, hidden vec4s
@group(0) @binding(5) var<storage, read_write> d_before: array<vec4f>; // f32[rows, F | 2F]

override GATED: u32 = 0u;

var<private> columns4: u32;   // vec4s of columns that the expert has

fn a_row(row: u32) -> u32 { return row * dims.k4; }
fn load_a(at: u32, k: u32) -> vec4f { return d_out[at + k]; }

fn store_one(row: u32, col: u32, d_hidden: vec4f) {
    if (GATED == 1u) {
        let at = (row * dims.n4 + col) * 2u;
        let u = before[at];
        d_before[at] = d_hidden * before[at + 1u] * activate_derivative(u);
        d_before[at + 1u] = d_hidden * activate(u);
    } else {
        let at = row * dims.n4 + col;
        d_before[at] = d_hidden * activate_derivative(before[at]);
    }
}

fn store(row: u32, col: u32, c0: vec4f, c1: vec4f) {
    store_one(row, col, c0);
    if (col + 1u < columns4) { store_one(row, col + 1u, c1); }
}

@compute @workgroup_size(TILE_WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let tile = tiles[group.y];
    columns4 = tile.w;
    product(tile.x * 4u * dims.k4 * dims.n4, dims.n4, tile.y, tile.z, group.x, lane, dims.k4, tile.w);
}
