//! spread.wgsl — logits of every token: those of its task.
//! Twin: src/kernels/spread.rs   Dispatch: linear over T·stride/4
//! Parts: dims, linear

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> labels: array<u32>;          // u32[T]: tasks
@group(0) @binding(2) var<storage, read> task_logits: array<vec4f>;   // f32[tasks, stride]
@group(0) @binding(3) var<storage, read_write> router: array<vec4f>;  // f32[2, T, stride]: [0] logits, written here

@compute @workgroup_size(LINEAR_WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let at = linear(id);
    let n4 = dims.stride / 4u;
    if (at >= dims.tokens * n4) { return; }
    router[at] = task_logits[labels[at / n4] * n4 + at % n4];
}
