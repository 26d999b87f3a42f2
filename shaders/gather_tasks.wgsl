//! gather_tasks.wgsl — gradient of the logits of every task: the sum over its tokens, in their order.
//! Twin: src/kernels/gather_tasks.rs   Dispatch: (ceil(tasks·stride/4 / 64), 1, 1)
//! Parts: dims

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> labels: array<u32>;               // u32[T]: tasks
@group(0) @binding(2) var<storage, read> d_logits: array<vec4f>;           // f32[T, stride]
@group(0) @binding(3) var<storage, read_write> d_task_logits: array<vec4f>; // f32[tasks, stride]

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let n4 = dims.stride / 4u;
    if (id.x >= dims.vocabulary * n4) { return; }
    let own = id.x / n4;
    var sum = vec4f();
    for (var t = 0u; t < dims.tokens; t++) {
        if (labels[t] == own) { sum += d_logits[t * n4 + id.x % n4]; }
    }
    d_task_logits[id.x] = sum;
}
