//! identity.wgsl — rows of the experts that return their token as it is: they are copied.
//! Twin: src/kernels/identity.rs   Dispatch: linear over the most rows that they get, times d4
//! Parts: dims, linear
//!
//! The identities are the last of the experts, so that their rows lie together.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> rows_from: array<vec4f>;     // f32[T, d], or f32[rows, d] if not GATHER
@group(0) @binding(2) var<storage, read> held: array<u32>;            // u32[rows]: token · columns + choice, read if GATHER
@group(0) @binding(3) var<storage, read> offsets: array<u32>;         // u32[E + units + 1]: first row of each expert
@group(0) @binding(4) var<storage, read_write> rows_to: array<vec4f>; // f32[rows, d]

override GATHER: u32 = 1u;   // 1: row of `rows_from` = token of the row

@compute @workgroup_size(LINEAR_WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let at = linear(id);
    let row = offsets[dims.experts - dims.identities] + at / dims.d4;
    if (row >= offsets[dims.experts]) { return; }
    let i = at % dims.d4;
    var source = row;
    if (GATHER == 1u) { source = held[row] / dims.columns; }
    rows_to[row * dims.d4 + i] = rows_from[source * dims.d4 + i];
}
