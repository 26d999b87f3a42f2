//! noisy_backward.wgsl — from the gradient of the noisy logits to those of the logits and of what learned widths come from, with
//! what the losses importance and load add.
//! Twin: src/kernels/noisy_backward.rs   Dispatch: (ceil(T / 64), 1, 1)
//! Parts: dims, finite, normal, noisy
//!
//! h = c + width · z, so that d_c = d_h and d_width = z · d_h. A chance is Φ((c − θ) / width): its gradient goes to the logit,
//! to the width, and with the other sign to the noisy logit that is the threshold θ.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> router: array<f32>;           // f32[2, T, stride]: [0] logits, with their noise
@group(0) @binding(2) var<storage, read> noise: array<f32>;            // f32[T, E]: z
@group(0) @binding(3) var<storage, read> clean: array<f32>;            // f32[T, E]: logits without noise
@group(0) @binding(4) var<storage, read> expert_of: array<u32>;        // u32[T, k]
@group(0) @binding(5) var<storage, read> odds: array<vec2f>;           // f32[T, E, 2]: [0] share of importance, read if LOSSES
@group(0) @binding(6) var<storage, read> runner_up: array<u32>;        // u32[T], read if LOSSES
@group(0) @binding(7) var<storage, read> d_odds: array<vec2f>;         // f32[G, E, 2], read if LOSSES
@group(0) @binding(8) var<storage, read_write> d_logits: array<f32>;   // f32[T, stride]: of the noisy logits, then of the logits

override LOSSES: u32 = 0u;     // 1: importance or load weighs something
override SELECTED: u32 = 0u;   // as in route

/// What a chance depends on.
struct Chance {
    d_lead: f32,   // derivative of the losses by the lead, over the width
    lead: f32,
    behind: bool,  // the expert was not chosen
}

fn chance(t: u32, e: u32, last: u32, next: u32) -> Chance {
    let logits_at = t * dims.stride;
    let h = router[logits_at + e];
    let last_logit = router[logits_at + last];
    let behind = h < last_logit || (h == last_logit && e > last);
    var threshold = last_logit;
    var width = dims.noise;
    if (NOISE == 1u) {
        threshold = router[logits_at + select(next, last, behind)];
        width = learned_width(router[logits_at + dims.experts + e]);
    }
    let l = lead(clean[t * dims.experts + e], threshold, width);
    return Chance(d_odds[t / dims.group_tokens * dims.experts + e].y * normal_density(l) / width, l, behind);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let t = id.x;
    if (t >= dims.tokens) { return; }
    let logits_at = t * dims.stride;
    let d_odds_at = t / dims.group_tokens * dims.experts;
    let last = expert_of[(t + 1u) * dims.choices - 1u];
    var next = NONE;
    var mean = 0.0;     // Σ of the importance's shares times its derivatives
    var d_last = 0.0;   // through the thresholds
    var d_next = 0.0;
    if (LOSSES == 1u) {
        next = runner_up[t];
        for (var e = 0u; e < dims.experts; e++) { mean += odds[t * dims.experts + e].x * d_odds[d_odds_at + e].x; }
        for (var e = 0u; e < select(dims.experts, 0u, NOISE == 0u || next == NONE); e++) {
            let own_chance = chance(t, e, last, next);
            if (NOISE == 2u || own_chance.behind) { d_last -= own_chance.d_lead; } else { d_next -= own_chance.d_lead; }
        }
    }
    for (var e = 0u; e < dims.experts; e++) {
        let own = t * dims.experts + e;
        var d_noisy = d_logits[logits_at + e];
        var d_clean = 0.0;
        var d_width = 0.0;
        if (LOSSES == 1u) {
            let d_share = odds[own].x * (d_odds[d_odds_at + e].x - mean);
            if (SELECTED == 1u) { d_noisy += d_share; } else { d_clean += d_share; }
            if (NOISE != 0u && next != NONE) {
                if (e == last) { d_noisy += d_last; }
                if (e == next) { d_noisy += d_next; }
                let own_chance = chance(t, e, last, next);
                d_clean += own_chance.d_lead;
                d_width -= own_chance.d_lead * own_chance.lead;
            }
        }
        d_logits[logits_at + e] = d_noisy + d_clean;
        if (NOISE == 1u) {
            let n = finite(router[logits_at + dims.experts + e]);
            d_logits[logits_at + dims.experts + e] = (d_noisy * noise[own] + d_width) / (1.0 + exp(-n));
        }
    }
    // without noise nothing is learned about its width
    for (var i = select(dims.experts, dims.gate_at, NOISE == 1u); i < dims.gate_at; i++) { d_logits[logits_at + i] = 0.0; }
}
