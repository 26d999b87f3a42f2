//! mixture_backward.wgsl — adds to the gradient of the logits what goes through each token's softmax over slots.
//! Twin: src/kernels/mixture_backward.rs   Dispatch: (ceil(T / 64), 1, 1)
//! Parts: dims
//!
//! share_gradient leaves s·ds for each share s; that of the logits is s·ds − s·Σ_m s·ds. Padding columns of d_logits become 0.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> router: array<f32>;         // f32[3, T, stride]: [2] shares over slots
@group(0) @binding(2) var<storage, read> d_shares: array<f32>;       // f32[T, stride]: s·ds
@group(0) @binding(3) var<storage, read> weight: array<f32>;         // f32[T + G·M, columns]
@group(0) @binding(4) var<storage, read> d_weight: array<f32>;       // f32[T + G·M, columns]
@group(0) @binding(5) var<storage, read_write> d_logits: array<f32>; // f32[T, stride]: in what goes through the softmax over tokens

override SHARED_GATE: u32 = 0u; // as in route

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let t = id.x;
    if (t >= dims.tokens) { return; }
    let slots = dims.experts * dims.slots;
    let at = t * dims.stride;
    let shares_at = (2u * dims.tokens + t) * dims.stride;
    var inner = 0.0;
    for (var m = 0u; m < slots; m++) { inner += d_shares[at + m]; }
    for (var m = 0u; m < slots; m++) { d_logits[at + m] += d_shares[at + m] - router[shares_at + m] * inner; }
    for (var i = slots; i < dims.stride; i++) { d_logits[at + i] = 0.0; }
    if (SHARED_GATE == 1u) {
        let own = t * dims.columns;
        var d_gate = 0.0;
        for (var j = dims.choices; j < dims.columns; j++) { d_gate += d_weight[own + j]; }
        let s = weight[own + dims.choices];
        d_logits[at + dims.gate_at] = s * (1.0 - s) * d_gate;
    }
}
