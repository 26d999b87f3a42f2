//! combine_backward.wgsl — backward of combine: d_weight[t, j] = ⟨dy[t], out⟩ and d_out = weight[t, j] · dy[t] of every assignment.
//! Twin: src/kernels/combine_backward.rs   Dispatch: (ceil(T·columns / 64), 1, 1)
//! Parts: dims

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> dy: array<vec4f>;         // f32[T, d]
@group(0) @binding(2) var<storage, read> out: array<vec4f>;        // f32[rows, d]
@group(0) @binding(3) var<storage, read> placement: array<vec2u>;  // u32[T, columns, 2]
@group(0) @binding(4) var<storage, read> weight: array<f32>;       // f32[T, columns]
@group(0) @binding(5) var<storage, read_write> d_weight: array<f32>; // f32[T, columns]: 0 where dropped
@group(0) @binding(6) var<storage, read_write> d_out: array<vec4f>;  // f32[rows, d]

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let a = id.x;
    if (a >= dims.tokens * dims.columns) { return; }
    let row = placement[a].y;
    if (row == DROPPED) { d_weight[a] = 0.0; return; }
    let t = a / dims.columns;
    let at = row * dims.d4;
    let w = weight[a];
    var sum = 0.0;
    for (var i = 0u; i < dims.d4; i++) {
        let g = dy[t * dims.d4 + i];
        sum += dot(g, out[at + i]);
        d_out[at + i] = w * g;
    }
    d_weight[a] = sum;
}
