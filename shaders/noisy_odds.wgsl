//! noisy_odds.wgsl — what a token adds to the importance and to the load of every expert.
//! Twin: src/kernels/noisy_odds.rs   Dispatch: (ceil(T / 64), 1, 1)
//! Parts: dims, finite, normal, noisy
//!
//! Importance: the weights of the choices, or the shares of all logits without noise (V-MoE). Load: how likely the expert would
//! be chosen if the noise on its logit were drawn again, Φ((c − θ) / width). θ is the k-th largest noisy logit, or, of learned
//! noise, for those that are chosen the one after it (Shazeer et al. 2017, appendix A). Without noise, or where all are chosen
//! anyway, it is 1 or 0.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> router: array<f32>;          // f32[2, T, stride]: [0] logits, with their noise
@group(0) @binding(2) var<storage, read> clean: array<f32>;           // f32[T, E]: logits without it
@group(0) @binding(3) var<storage, read> expert_of: array<u32>;       // u32[T, k]
@group(0) @binding(4) var<storage, read> chosen: array<f32>;          // f32[T, columns]
@group(0) @binding(5) var<storage, read_write> odds: array<vec2f>;    // f32[T, E, 2]: importance, load
@group(0) @binding(6) var<storage, read_write> runner_up: array<u32>; // u32[T]: the best expert that was not chosen, or none

override SELECTED: u32 = 0u;   // as in route

fn clean_logit(t: u32, e: u32) -> f32 {
    if (NOISE == 0u) { return router[t * dims.stride + e]; }
    return clean[t * dims.experts + e];
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let t = id.x;
    if (t >= dims.tokens) { return; }
    let logits_at = t * dims.stride;
    let last = expert_of[(t + 1u) * dims.choices - 1u];
    let last_logit = router[logits_at + last];

    var next = NONE;
    var next_logit = 0.0;
    var largest = LOWEST;
    for (var e = 0u; e < dims.experts; e++) {
        let h = router[logits_at + e];
        let behind = h < last_logit || (h == last_logit && e > last);
        if (behind && (next == NONE || h > next_logit)) { next = e; next_logit = h; }
        largest = max(largest, clean_logit(t, e));
    }
    runner_up[t] = next;
    var sum = 0.0;
    for (var e = 0u; e < dims.experts; e++) { sum += exp(clean_logit(t, e) - largest); }

    for (var e = 0u; e < dims.experts; e++) {
        let h = router[logits_at + e];
        let c = clean_logit(t, e);
        let behind = h < last_logit || (h == last_logit && e > last);
        var chance = select(1.0, 0.0, behind);
        if (NOISE == 1u && next != NONE) {
            let threshold = select(next_logit, last_logit, behind);
            chance = normal_cdf(lead(c, threshold, learned_width(router[logits_at + dims.experts + e])));
        }
        if (NOISE == 2u && next != NONE) { chance = normal_cdf(lead(c, last_logit, dims.noise)); }
        odds[t * dims.experts + e] = vec2f(select(exp(c - largest) / sum, 0.0, SELECTED == 1u), chance);
    }
    if (SELECTED == 0u) { return; }
    for (var j = 0u; j < dims.choices; j++) {
        odds[t * dims.experts + expert_of[t * dims.choices + j]].x = chosen[t * dims.columns + j];
    }
}
