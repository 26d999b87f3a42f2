//! combine.wgsl — output of every token: y[t] = Σ_j weight[t, j] · out of its j-th assignment, in the order of j.
//! Twin: src/kernels/combine.rs   Dispatch: linear over T·d4
//! Parts: dims, linear

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> out: array<vec4f>;        // f32[rows, d]
@group(0) @binding(2) var<storage, read> placement: array<vec2u>;  // u32[T, columns, 2]
@group(0) @binding(3) var<storage, read> weight: array<f32>;       // f32[T, columns]
@group(0) @binding(4) var<storage, read_write> y: array<vec4f>;    // f32[T, d]

@compute @workgroup_size(LINEAR_WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let at = linear(id);
    if (at >= dims.tokens * dims.d4) { return; }
    let t = at / dims.d4;
    let i = at % dims.d4;
    var sum = vec4f();
    for (var j = 0u; j < dims.columns; j++) {
        let a = t * dims.columns + j;
        let row = placement[a].y;
        if (row != DROPPED) { sum += weight[a] * out[row * dims.d4 + i]; }
    }
    y[at] = sum;
}
