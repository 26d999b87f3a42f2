//! reweigh.wgsl — weighs the choices that were made with noise by the logits without it, and puts those back in their place.
//! Twin: src/kernels/reweigh.rs   Dispatch: (ceil(T / 64), 1, 1)
//! Parts: dims

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> clean: array<f32>;          // f32[T, E]: logits without noise
@group(0) @binding(2) var<storage, read> expert_of: array<u32>;      // u32[T, k]
@group(0) @binding(3) var<storage, read_write> router: array<f32>;   // f32[2, T, stride]: [0] logits, [1] scores, both written
@group(0) @binding(4) var<storage, read_write> chosen: array<f32>;   // f32[T, columns]: score of each choice, 0 for none
@group(0) @binding(5) var<storage, read_write> stats: array<vec4f>;  // f32[T, 4]: logsumexp, best score, sum of scores, 0

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let t = id.x;
    if (t >= dims.tokens) { return; }
    let own = t * dims.experts;
    var largest = clean[own];
    for (var e = 1u; e < dims.experts; e++) { largest = max(largest, clean[own + e]); }
    var sum = 0.0;
    for (var e = 0u; e < dims.experts; e++) { sum += exp(clean[own + e] - largest); }
    var total = 0.0;
    for (var e = 0u; e < dims.experts; e++) {
        let share = exp(clean[own + e] - largest) / sum;
        router[t * dims.stride + e] = clean[own + e];
        router[(dims.tokens + t) * dims.stride + e] = share;
        total += share;
    }
    stats[t] = vec4f(largest + log(sum), 1.0 / sum, total, 0.0);
    for (var j = 0u; j < dims.choices; j++) {
        let e = expert_of[t * dims.choices + j];
        if (e < DECLINED) { chosen[t * dims.columns + j] = router[(dims.tokens + t) * dims.stride + e]; }
    }
}
