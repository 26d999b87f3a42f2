//! policy_backward.wgsl — the gradient of a policy by the logits, −mean A·ln π(a) − β·mean H(π), added to that of the losses.
//! Twin: src/kernels/policy_backward.rs   Dispatch: (ceil(T / 64), 1, 1)
//! Parts: dims
//!
//! With z = h / τ: d/dz of −ln π(a) is π less 1 at a, of −H it is π·(ln π + H). The linear baseline learns by the squared error.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> router: array<f32>;                // f32[2, T, stride]: z, π
@group(0) @binding(2) var<storage, read> stats: array<vec4f>;               // f32[T, 4]: [0] logsumexp of z
@group(0) @binding(3) var<storage, read> expert_of: array<u32>;             // u32[T, 1]
@group(0) @binding(4) var<storage, read> advantage: array<vec2f>;           // f32[T, 2]: advantage, and reward less baseline
@group(0) @binding(5) var<storage, read_write> d_logits: array<f32>;        // f32[T, stride]: by z in, by h out
@group(0) @binding(6) var<storage, read_write> d_input_logits: array<f32>;  // f32[T, stride]: the part that goes on to the input

override BASELINE: u32 = 0u;  // as in advantage
override STOP: u32 = 0u;      // 1: the policy's gradient ends at the router

/// ln π, as far as π is not 0 anyway.
fn log_policy(z: f32, lse: f32) -> f32 { return max(z - lse, -1000.0); }

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let t = id.x;
    if (t >= dims.tokens) { return; }
    let at = t * dims.stride;
    let scores_at = (dims.tokens + t) * dims.stride;
    let lse = stats[t].x;
    let tokens = f32(dims.tokens);
    let weight = advantage[t].x / tokens;
    let entropy_weight = dims.entropy / tokens;
    var entropy = 0.0;
    for (var e = 0u; e < dims.experts; e++) { entropy -= router[scores_at + e] * log_policy(router[at + e], lse); }
    for (var e = 0u; e < dims.experts; e++) {
        let p = router[scores_at + e];
        var d = d_logits[at + e] + weight * (p - select(0.0, 1.0, e == expert_of[t]));
        d = (d + entropy_weight * p * (log_policy(router[at + e], lse) + entropy)) / dims.temperature;
        d_logits[at + e] = d;
        d_input_logits[at + e] = select(d, 0.0, STOP == 1u);
    }
    if (BASELINE == 2u) {
        d_logits[at + dims.experts] = -2.0 * advantage[t].y / tokens;
        d_input_logits[at + dims.experts] = 0.0;
    }
    for (var i = dims.gate_at; i < dims.stride; i++) { d_input_logits[at + i] = d_logits[at + i]; }
}
