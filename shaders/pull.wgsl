//! pull.wgsl — the expert that every token pulls, by what is known of the experts for tokens of its id.
//! Twin: src/kernels/pull.rs   Dispatch: (ceil(T / 64), 1, 1)
//! Parts: dims, rng, normal
//!
//! All tokens go by what was known before their batch. Of equal experts the lower is pulled.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> labels: array<u32>;          // u32[2, T]: [0] ids
@group(0) @binding(2) var<storage, read> arms: array<f32>;            // f32[2, vocabulary, E]: pulls, mean rewards
@group(0) @binding(3) var<storage, read> router: array<f32>;          // f32[2, T, stride]: [0] the logit of the shared gate
@group(0) @binding(4) var<storage, read_write> expert_of: array<u32>; // u32[T, 1]
@group(0) @binding(5) var<storage, read_write> chosen: array<f32>;    // f32[T, columns]: 1, then the shared gate
@group(0) @binding(6) var<storage, read_write> stats: array<vec4f>;   // f32[T, 4]: 0, since nothing is scored

override EXPLORE: u32 = 0u;     // 0: the best, 1: at times any, 2: the highest bound, 3: the best draw of what each may be worth
override SHARED_GATE: u32 = 0u; // as in route

const LARGEST = 0x1.fffffep+127f;

/// What is expected of an arm that was pulled `n` times: its mean, and what was expected before, which counts as so many rewards.
fn expected(arm: u32, n: f32) -> f32 {
    if (n == 0.0) { return dims.prior_mean; }
    let mean = arms[dims.vocabulary * dims.experts + arm];
    return mean + dims.prior_weight / (dims.prior_weight + n) * (dims.prior_mean - mean);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let t = id.x;
    if (t >= dims.tokens) { return; }
    stats[t] = vec4f();
    let first = labels[t] * dims.experts;
    var log_all = 0.0;   // ln of all pulls of the id
    if (EXPLORE == 2u) {
        var all = 0.0;
        for (var e = 0u; e < dims.experts; e++) { all += arms[first + e]; }
        log_all = max(log(all), 0.0);   // ln 1 may come out a little below
    }
    var pulled = 0u;
    var best = -LARGEST;
    for (var e = 0u; e < dims.experts; e++) {
        let n = arms[first + e];
        var key = expected(first + e, n);
        if (EXPLORE == 2u) {
            if (n == 0.0) { key = LARGEST; } else { key += dims.exploration * sqrt(log_all / n); }
        } else if (EXPLORE == 3u) {
            key += dims.noise / sqrt(dims.prior_weight + n) * normal_quantile(open_uniform_f32(t, NOISE_LANE + e));
        }
        if (key > best) { pulled = e; best = key; }
    }
    if (EXPLORE == 1u && uniform_f32(t, EXPLORE_LANE) < dims.epsilon) { pulled = hash_u32(t, THOR_LANE) % dims.experts; }
    expert_of[t] = pulled;
    chosen[t * dims.columns] = 1.0;
    var gate = 1.0;
    if (SHARED_GATE == 1u) { gate = 1.0 / (1.0 + exp(-router[t * dims.stride + dims.gate_at])); }
    for (var j = 1u; j < dims.columns; j++) { chosen[t * dims.columns + j] = gate; }
}
