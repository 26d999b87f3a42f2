//! sinkhorn_tokens.wgsl — first half of an iteration of balancing: f of every token, which makes its row of the plan sum to 1/S.
//! Twin: src/kernels/sinkhorn_tokens.rs   Dispatch: (ceil(T / 64), 1, 1), indirect after the first iteration
//! Parts: dims, sinkhorn
//!
//! The plan is exp(h/ε + f_t + g_e), so f_t = −ln S − logsumexp_e(h/ε + g_e).

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> router: array<f32>;        // f32[2, T, stride]: [0] logits
@group(0) @binding(2) var<storage, read> prices: array<f32>;        // f32[G, E]: ε·g
@group(0) @binding(3) var<storage, read> solver: array<u32>;        // u32[G, iterations]: bits of the largest change of g
@group(0) @binding(4) var<storage, read_write> stats: array<vec4f>; // f32[T, 4]: [0] f, until route writes its own

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let t = id.x;
    if (t >= dims.tokens) { return; }
    let g = t / dims.group_tokens;
    if (dims.iteration > 0u && bitcast<f32>(solver[g * dims.iterations + dims.iteration - 1u]) < dims.tolerance) { return; }
    let own = g * dims.experts;
    var largest = -LARGEST;
    for (var e = 0u; e < dims.experts; e++) {
        largest = max(largest, scaled(router[t * dims.stride + e]) + prices[own + e] / dims.epsilon);
    }
    var sum = 0.0;
    for (var e = 0u; e < dims.experts; e++) {
        sum += exp(scaled(router[t * dims.stride + e]) + prices[own + e] / dims.epsilon - largest);
    }
    stats[t] = vec4f(-log(f32(dims.group_tokens)) - largest - log(sum), 0.0, 0.0, 0.0);
}
