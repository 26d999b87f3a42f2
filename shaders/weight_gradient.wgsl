//! weight_gradient.wgsl — gradients of weights and biases, of every expert (or of the router) at once:
//! d_w[e, m, n] = Σ_r a[r, m] · c[r, n] and d_bias[e, m] = Σ_r a[r, m] over the rows r of expert e, in the order of rows.
//! Twin: src/kernels/weight_gradient.rs   Dispatch: (column blocks, row blocks, experts)
//! Parts: dims, rng, input_noise, a tile of kind tn
//!
//! Beyond the width of an expert nothing is written, so that its gradient stays the 0 that the buffer was made with.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> a: array<vec4f>;            // f32[rows, m]: gradient of what the weights produced
@group(0) @binding(2) var<storage, read> c: array<vec4f>;            // f32[rows | T, n]: what the weights were applied to
@group(0) @binding(3) var<storage, read> held: array<u32>;           // u32[rows]: token · columns + choice, read if GATHER
@group(0) @binding(4) var<storage, read> offsets: array<u32>;        // u32[E + units + 1]: first row of each expert, read if GROUPED
@group(0) @binding(5) var<storage, read_write> d_w: array<vec4f>;    // f32[experts + units, m, n], or f32[1, m, n]
@group(0) @binding(6) var<storage, read_write> d_bias: array<vec4f>; // f32[experts + units, m], or f32[1, m]
@group(0) @binding(7) var<storage, read> widths: array<u32>;         // u32[experts + units]: hidden vec4s, read if GROUPED

override GATHER: u32 = 0u;    // 1: row of c = token of the row
override GROUPED: u32 = 1u;   // 0: one expert with all T tokens; rows of an expert whose hidden units are 1: the rows m, 2: the columns n

var<private> expert: u32;
var<private> rows4: u32;      // vec4s of m and of n that the expert has
var<private> columns4: u32;

fn load_a(row: u32, m: u32) -> vec4f { return a[row * dims.m4 + m]; }
fn load_b(row: u32, n: u32) -> vec4f {
    if (GATHER == 1u) { return c[held[row] / dims.columns * dims.n4 + n]; }
    return c[row * dims.n4 + n] * input_factor(row, n);
}
fn store(m: u32, n: u32, c0: vec4f, c1: vec4f, c2: vec4f, c3: vec4f) {
    let at = (expert * 4u * dims.m4 + m) * dims.n4 + n;
    d_w[at] = c0;
    if (n + 1u < columns4) { d_w[at + 1u] = c1; }
    if (n + 2u < columns4) { d_w[at + 2u] = c2; }
    if (n + 3u < columns4) { d_w[at + 3u] = c3; }
}
fn store_sum(m: u32, s: vec4f) {
    if (m < rows4) { d_bias[expert * dims.m4 + m] = s; }
}

@compute @workgroup_size(TILE_WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    expert = group.z;
    var first = 0u;
    var end = dims.tokens;
    var m4 = dims.m4;
    var n4 = dims.n4;
    if (GROUPED != 0u) {
        let at = group.z + select(0u, dims.identities, group.z >= dims.experts - dims.identities);
        first = offsets[at];
        end = offsets[at + 1u];
        if (GROUPED == 1u) { m4 = widths[group.z] * (dims.m4 / dims.hidden4); } else { n4 = widths[group.z]; }
    }
    rows4 = m4;
    columns4 = n4;
    product(first, end, group.y, group.x, lane, m4, n4);
}
