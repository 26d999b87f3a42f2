//! noisy_odds.wgsl — what a token adds to the importance and to the load of every expert, and to tokens and load of every branch.
//! Twin: src/kernels/noisy_odds.rs   Dispatch: (ceil(T / 64), 1, 1)
//! Parts: dims, finite, normal, noisy, contests
//!
//! Importance: the weights of the choices, or the shares of all logits without noise (V-MoE). Load: how likely the expert would
//! be chosen if the noise on its logit were drawn again, Φ((c − θ) / width). θ is the k-th largest noisy logit of its contest, or, of
//! learned noise, for those that are chosen the one after it (Shazeer et al. 2017, appendix A). Without noise, or where all are chosen
//! anyway, it is 1 or 0, and so it is for the experts of a branch that the token did not choose.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> router: array<f32>;          // f32[2, T, stride]: [0] logits, with their noise
@group(0) @binding(2) var<storage, read> clean: array<f32>;           // f32[T, E + branches]: logits without it
@group(0) @binding(3) var<storage, read> expert_of: array<u32>;       // u32[T, k]
@group(0) @binding(4) var<storage, read> chosen: array<f32>;          // f32[T, columns]
@group(0) @binding(5) var<storage, read_write> odds: array<vec2f>;    // f32[T, E + branches, 2]: [0] importance, or whether the branch is chosen, [1] load
@group(0) @binding(6) var<storage, read_write> runner_up: array<u32>; // u32[T, contests]: the best that was not chosen, or none

override SELECTED: u32 = 0u;   // as in route

fn clean_logit(t: u32, i: u32) -> f32 {
    if (NOISE == 0u) { return router[t * dims.stride + i]; }
    return clean[t * dims.logits + i];
}

/// Writes down how likely each logit of a contest would be chosen, and whether it is; returns the best that is not.
fn chances(t: u32, c: Contest) -> u32 {
    let logits_at = t * dims.stride;
    var next = NONE;
    for (var i = c.first; i < c.end; i++) {
        if (!is_behind(logits_at, i, c.last)) { continue; }
        if (next == NONE || router[logits_at + i] > router[logits_at + next]) { next = i; }
    }
    for (var i = c.first; i < c.end; i++) {
        let behind = is_behind(logits_at, i, c.last);
        let taken = select(1.0, 0.0, behind);
        var chance = taken;
        if (NOISE == 1u && next != NONE) {
            let threshold = router[logits_at + select(next, c.last, behind)];
            let width = learned_width(router[logits_at + dims.logits + i]);
            chance = normal_cdf(lead(clean_logit(t, i), threshold, width));
        }
        if (NOISE == 2u && next != NONE) {
            chance = normal_cdf(lead(clean_logit(t, i), router[logits_at + c.last], dims.noise));
        }
        odds[t * dims.logits + i] = vec2f(taken, chance);
    }
    return next;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let t = id.x;
    if (t >= dims.tokens) { return; }
    let odds_at = t * dims.logits;
    for (var e = 0u; e < dims.experts; e++) { odds[odds_at + e] = vec2f(); }
    for (var n = 0u; n < contests(); n++) { runner_up[t * contests() + n] = chances(t, contest(t, n)); }

    // importance
    if (SELECTED == 1u) {
        for (var e = 0u; e < dims.experts; e++) { odds[odds_at + e].x = 0.0; }
        for (var j = 0u; j < dims.choices; j++) {
            odds[odds_at + expert_of[t * dims.choices + j]].x = chosen[t * dims.columns + j];
        }
        return;
    }
    var largest = LOWEST;
    for (var e = 0u; e < dims.experts; e++) { largest = max(largest, clean_logit(t, e)); }
    var sum = 0.0;
    for (var e = 0u; e < dims.experts; e++) { sum += exp(clean_logit(t, e) - largest); }
    for (var e = 0u; e < dims.experts; e++) { odds[odds_at + e].x = exp(clean_logit(t, e) - largest) / sum; }
}
