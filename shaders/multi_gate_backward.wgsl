//! multi_gate_backward.wgsl — from the gradients of every task's weights to those of its logits; no task's touches another's.
//! Twin: src/kernels/multi_gate_backward.rs   Dispatch: (ceil(T / 64), 1, 1)
//! Parts: dims
//!
//! Which experts a task took is a constant. Padding columns of d_logits become 0.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> router: array<f32>;         // f32[2, T, stride]: [1] softmax of each task
@group(0) @binding(2) var<storage, read> expert_of: array<u32>;      // u32[T, k]
@group(0) @binding(3) var<storage, read> chosen: array<f32>;         // f32[tasks, T, columns]
@group(0) @binding(4) var<storage, read> d_weight: array<f32>;       // f32[tasks, T, columns]: 0 where dropped
@group(0) @binding(5) var<storage, read_write> d_logits: array<f32>; // f32[T, stride]

override SHARED_GATE: u32 = 0u;  // as in route

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let t = id.x;
    if (t >= dims.tokens) { return; }
    for (var i = dims.gate_at; i < dims.stride; i++) { d_logits[t * dims.stride + i] = 0.0; }
    var d_gate = 0.0;
    for (var task = 0u; task < dims.tasks; task++) {
        let own = (task * dims.tokens + t) * dims.columns;
        let at = t * dims.stride + task * dims.experts;
        let scores_at = (dims.tokens + t) * dims.stride + task * dims.experts;
        var inner = 0.0;
        for (var j = 0u; j < dims.choices; j++) { inner += chosen[own + j] * d_weight[own + j]; }
        for (var e = 0u; e < dims.experts; e++) { d_logits[at + e] = -router[scores_at + e] * inner; }
        for (var j = 0u; j < dims.choices; j++) {
            let e = expert_of[t * dims.choices + j];
            if (e != NONE) { d_logits[at + e] += chosen[own + j] * d_weight[own + j]; }
        }
        for (var j = dims.choices; j < dims.columns; j++) { d_gate += d_weight[own + j]; }
    }
    if (SHARED_GATE == 1u) {
        let s = chosen[t * dims.columns + dims.choices];
        d_logits[t * dims.stride + dims.gate_at] = s * (1.0 - s) * d_gate;
    }
}
