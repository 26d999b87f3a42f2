//! noisy_backward.wgsl — from the gradient of the noisy logits to those of the logits and of what learned widths come from, with
//! what the losses importance and load add.
//! Twin: src/kernels/noisy_backward.rs   Dispatch: (ceil(T / 64), 1, 1)
//! Parts: dims, finite, normal, noisy, contests
//!
//! h = c + width · z, so that d_c = d_h and d_width = z · d_h. A chance is Φ((c − θ) / width): its gradient goes to the logit,
//! to the width, and with the other sign to the noisy logit that is the threshold θ.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> router: array<f32>;           // f32[2, T, stride]: [0] logits, with their noise
@group(0) @binding(2) var<storage, read> noise: array<f32>;            // f32[T, E + branches]: z
@group(0) @binding(3) var<storage, read> clean: array<f32>;            // f32[T, E + branches]: logits without noise
@group(0) @binding(4) var<storage, read> expert_of: array<u32>;        // u32[T, k]
@group(0) @binding(5) var<storage, read> odds: array<vec2f>;           // f32[T, E + branches, 2]: [0] share of importance, read if LOSSES
@group(0) @binding(6) var<storage, read> runner_up: array<u32>;        // u32[T, contests], read if LOSSES
@group(0) @binding(7) var<storage, read> d_odds: array<vec2f>;         // f32[G, E + branches, 2], read if LOSSES
@group(0) @binding(8) var<storage, read_write> d_logits: array<f32>;   // f32[T, stride]: of the noisy logits, then of the logits and of learned widths' source

override LOSSES: u32 = 0u;     // 1: importance or load weighs something

/// Adds what the load's loss says of the chances of a contest.
fn through_chances(t: u32, c: Contest, next: u32) {
    let logits_at = t * dims.stride;
    let widths_at = logits_at + dims.logits;
    let own_at = t * dims.logits;
    let d_odds_at = t / dims.group_tokens * dims.logits;
    for (var i = c.first; i < c.end; i++) {
        var over = c.last;
        var width = dims.noise;
        if (NOISE == 1u) {
            over = select(next, c.last, is_behind(logits_at, i, c.last));
            width = learned_width(router[widths_at + i]);
        }
        let ahead = lead(clean[own_at + i], router[logits_at + over], width);
        let d_lead = d_odds[d_odds_at + i].y * normal_density(ahead) / width;
        d_logits[logits_at + i] += d_lead;
        d_logits[logits_at + over] -= d_lead;
        if (NOISE == 1u) {
            d_logits[widths_at + i] -= d_lead * ahead;
            d_logits[widths_at + over] -= d_lead * noise[own_at + over];
        }
    }
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let t = id.x;
    if (t >= dims.tokens) { return; }
    let logits = dims.logits;
    let logits_at = t * dims.stride;
    // of branches branches_backward has done this
    if (LOSSES == 1u && dims.branches == 0u) {
        let d_odds_at = t / dims.group_tokens * logits;
        var mean = 0.0;
        for (var e = 0u; e < dims.experts; e++) { mean += odds[t * logits + e].x * d_odds[d_odds_at + e].x; }
        for (var e = 0u; e < dims.experts; e++) { d_logits[logits_at + e] += odds[t * logits + e].x * (d_odds[d_odds_at + e].x - mean); }
    }
    // without noise nothing is learned about its width
    for (var i = logits; i < dims.gate_at; i++) { d_logits[logits_at + i] = 0.0; }
    if (NOISE == 1u) {
        for (var i = 0u; i < logits; i++) { d_logits[logits_at + logits + i] = d_logits[logits_at + i] * noise[t * logits + i]; }
    }
    if (LOSSES == 1u && NOISE != 0u) {
        for (var n = 0u; n < contests(); n++) {
            let next = runner_up[t * contests() + n];
            if (next != NONE) { through_chances(t, contest(t, n), next); }
        }
    }
    if (NOISE == 1u) {
        for (var i = logits_at + logits; i < logits_at + 2u * logits; i++) { d_logits[i] /= 1.0 + exp(-finite(router[i])); }
    }
}
