//! mixture_scores.wgsl — what each mixture is of a token's output: the softmax of its logits over the slots of all experts.
//! Twin: src/kernels/mixture_scores.rs   Dispatch: (ceil(T / 64), 1, 1)
//! Parts: dims, finite

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read_write> router: array<f32>;  // f32[3, T, stride]: [0] logits, [2] softmax over slots, written here
@group(0) @binding(2) var<storage, read_write> stats: array<vec4f>; // f32[T, 4]: logsumexp, largest share, 0, 0
@group(0) @binding(3) var<storage, read_write> weight: array<f32>;  // f32[T + G·M, columns]: the shared expert's gate of tokens, written here

override SHARED_GATE: u32 = 0u; // as in route

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let t = id.x;
    if (t >= dims.tokens) { return; }
    let slots = dims.experts * dims.slots;
    let at = t * dims.stride;
    let shares_at = (2u * dims.tokens + t) * dims.stride;
    var largest = LOWEST;
    for (var m = 0u; m < slots; m++) {
        let h = finite(router[at + m]);
        router[at + m] = h;
        largest = max(largest, h);
    }
    var sum = 0.0;
    for (var m = 0u; m < slots; m++) { sum += exp(router[at + m] - largest); }
    for (var m = 0u; m < slots; m++) { router[shares_at + m] = exp(router[at + m] - largest) / sum; }
    stats[t] = vec4f(largest + log(sum), 1.0 / sum, 0.0, 0.0);
    var gate = 1.0;
    if (SHARED_GATE == 1u) { gate = 1.0 / (1.0 + exp(-finite(router[at + dims.gate_at]))); }
    for (var j = dims.choices; j < dims.columns; j++) { weight[t * dims.columns + j] = gate; }
}
