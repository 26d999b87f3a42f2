//! combine.wgsl — output of every token, of every task: y[t] = Σ_j weight[t, j] · out of its j-th assignment, in the order of j.
//! Twin: src/kernels/combine.rs   Dispatch: linear over tasks·T·d4
//! Parts: dims, linear

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> out: array<vec4f>;        // f32[rows, d]
@group(0) @binding(2) var<storage, read> placement: array<vec2u>;  // u32[T, columns, 2]
@group(0) @binding(3) var<storage, read> weight: array<f32>;       // f32[tasks, T, columns]
@group(0) @binding(4) var<storage, read_write> y: array<vec4f>;    // f32[tasks, T, d]

@compute @workgroup_size(LINEAR_WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let at = linear(id);
    if (at >= dims.tasks * dims.tokens * dims.d4) { return; }
    let own = at / dims.d4;
    let t = own % dims.tokens;
    let i = at % dims.d4;
    var sum = vec4f();
    for (var j = 0u; j < dims.columns; j++) {
        let a = own * dims.columns + j;
        let row = placement[t * dims.columns + j].y;
        if (row != DROPPED) { sum += weight[a] * out[row * dims.d4 + i]; }
    }
    y[at] = sum;
}
