//! act.wgsl — the policy of every token, π = softmax(h / τ), and the expert that it draws, or the best one.
//! Twin: src/kernels/act.rs   Dispatch: (ceil(T / 64), 1, 1)
//! Parts: dims, rng, gumbel
//!
//! Drawn by the largest h / τ + Gumbel noise; of equal ones the lower expert. NaN counts as −∞.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read_write> router: array<f32>;    // f32[2, T, stride]: [0] logits, divided by τ here, [1] π, written here
@group(0) @binding(2) var<storage, read_write> expert_of: array<u32>; // u32[T, 1]
@group(0) @binding(3) var<storage, read_write> chosen: array<f32>;    // f32[T, columns]: 1, then the shared gate
@group(0) @binding(4) var<storage, read_write> stats: array<vec4f>;   // f32[T, 4]: logsumexp of the logits over τ, largest π, sum of π, 0

override SAMPLED: u32 = 0u;      // 1: draw, 0: take the best
override SHARED_GATE: u32 = 0u;  // as in route

const LOWEST = -0x1.fffffep+127f;

/// Finite: NaN and −∞ become the lowest number, +∞ the largest.
fn finite(v: f32) -> f32 {
    let nan = (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u;
    return select(clamp(v, LOWEST, -LOWEST), LOWEST, nan);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let t = id.x;
    if (t >= dims.tokens) { return; }
    let at = t * dims.stride;
    let scores_at = (dims.tokens + t) * dims.stride;
    var largest = LOWEST;
    var action = 0u;
    var best_key = LOWEST;
    for (var e = 0u; e < dims.experts; e++) {
        let z = finite(router[at + e] / dims.temperature);
        router[at + e] = z;
        largest = max(largest, z);
        var key = z;
        if (SAMPLED == 1u) { key += gumbel(t, DRAW_LANE + e); }
        if (key > best_key) { action = e; best_key = key; }
    }
    var sum = 0.0;
    for (var e = 0u; e < dims.experts; e++) { sum += exp(router[at + e] - largest); }
    var best = 0.0;
    var total = 0.0;
    for (var e = 0u; e < dims.experts; e++) {
        let p = exp(router[at + e] - largest) / sum;
        router[scores_at + e] = p;
        best = max(best, p);
        total += p;
    }
    stats[t] = vec4f(largest + log(sum), best, total, 0.0);
    expert_of[t] = action;
    chosen[t * dims.columns] = 1.0;
    var gate = 1.0;
    if (SHARED_GATE == 1u) { gate = 1.0 / (1.0 + exp(-finite(router[at + dims.gate_at]))); }
    for (var j = 1u; j < dims.columns; j++) { chosen[t * dims.columns + j] = gate; }
}
