//! combine_backward.wgsl — backward of combine: d_weight[t, j] = ⟨dy[t], out⟩ and d_out = weight[t, j] · dy[t] of every assignment,
//! d_weight for each task and d_out summed over them.
//! Twin: src/kernels/combine_backward.rs   Dispatch: (ceil(T·columns / 64), 1, 1)
//! Parts: dims

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> dy: array<vec4f>;         // f32[tasks, T, d]
@group(0) @binding(2) var<storage, read> out: array<vec4f>;        // f32[rows, d]
@group(0) @binding(3) var<storage, read> placement: array<vec2u>;  // u32[T, columns, 2]
@group(0) @binding(4) var<storage, read> weight: array<f32>;       // f32[tasks, T, columns]
@group(0) @binding(5) var<storage, read_write> d_weight: array<f32>; // f32[tasks, T, columns]: 0 where dropped
@group(0) @binding(6) var<storage, read_write> d_out: array<vec4f>;  // f32[rows, d]

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let a = id.x;
    if (a >= dims.tokens * dims.columns) { return; }
    let row = placement[a].y;
    let t = a / dims.columns;
    let at = row * dims.d4;
    for (var task = 0u; task < dims.tasks; task++) {
        let own = (task * dims.tokens + t) * dims.columns + a % dims.columns;
        if (row == DROPPED) { d_weight[own] = 0.0; continue; }
        let w = weight[own];
        var sum = 0.0;
        for (var i = 0u; i < dims.d4; i++) {
            let g = dy[(task * dims.tokens + t) * dims.d4 + i];
            sum += dot(g, out[at + i]);
            if (task == 0u) { d_out[at + i] = w * g; } else { d_out[at + i] += w * g; }
        }
        d_weight[own] = sum;
    }
}
