//! branches_backward.wgsl — from the gradient of logits that go into one softmax to those of experts and branches, after gate_backward,
//! with what the losses importance and z add.
//! Twin: src/kernels/branches_backward.rs   Dispatch: (ceil(T / 64), 1, 1)
//! Parts: dims, branches
//!
//! A product of shares is a softmax of joint logits: a = b_i + h_ij − ln Σ_j exp(h_ij), whose sum is over the chosen ones for weights
//! and over all for scores. So d_b_i is the sum of d_a over its branch, and d_h_ij = d_a_ij less that sum times the share of j.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> router: array<f32>;          // f32[2, T, stride]: logits, scores
@group(0) @binding(2) var<storage, read> expert_of: array<u32>;       // u32[T, k]
@group(0) @binding(3) var<storage, read> chosen: array<f32>;          // f32[T, columns]
@group(0) @binding(4) var<storage, read> d_share: array<f32>;         // f32[G, E]
@group(0) @binding(5) var<storage, read> d_odds: array<vec2f>;        // f32[G, E + branches, 2]: [0] by importance, read if LOSSES
@group(0) @binding(6) var<storage, read_write> d_logits: array<f32>;  // f32[T, stride]: of joint logits, then of those of experts and branches

override LOSSES: u32 = 0u;   // as in noisy_backward

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let t = id.x;
    if (t >= dims.tokens) { return; }
    let experts_at = t * dims.stride;
    let branches_at = experts_at + dims.experts;
    let choices_at = t * dims.choices;
    let weights_at = t * dims.columns;
    let scores_at = (dims.tokens + t) * dims.stride;
    let d_share_at = t / dims.group_tokens * dims.experts;
    if (LOSSES == 1u) {
        let d_odds_at = t / dims.group_tokens * dims.logits;
        var mean = 0.0;
        for (var j = 0u; j < dims.choices; j++) { mean += chosen[weights_at + j] * d_odds[d_odds_at + expert_of[choices_at + j]].x; }
        for (var j = 0u; j < dims.choices; j++) {
            let e = expert_of[choices_at + j];
            d_logits[experts_at + e] += chosen[weights_at + j] * (d_odds[d_odds_at + e].x - mean);
        }
    }

    // the branches' sums
    var mean = 0.0;
    for (var e = 0u; e < dims.experts; e++) { mean += router[scores_at + e] * d_share[d_share_at + e]; }
    let of_branches = softmax_of(branches_at, branches_at + dims.branches);
    let z = dims.z * 2.0 / (f32(dims.tokens) * max(choices_to_make(), 1.0));
    for (var n = 0u; n < dims.branches; n++) {
        let first = n * branch_size();
        let inside = softmax_of(experts_at + first, experts_at + first + branch_size());
        var whole = 0.0;
        var of_scores = 0.0;   // what of it came through the scores
        for (var e = first; e < first + branch_size(); e++) {
            whole += d_logits[experts_at + e];
            of_scores += router[scores_at + e] * (d_share[d_share_at + e] - mean);
        }
        var through_z = 0.0;
        if (branch_size() > 1u) { through_z = z * logsumexp(inside); }
        for (var e = first; e < first + branch_size(); e++) {
            d_logits[experts_at + e] += share(inside, experts_at + e) * (through_z - of_scores);
        }
        var d_branch = whole;
        if (dims.branches > 1u) { d_branch += z * logsumexp(of_branches) * share(of_branches, branches_at + n); }
        d_logits[branches_at + n] = d_branch;

        // the rest came through the weights
        var weight = 0.0;
        for (var j = 0u; j < dims.choices; j++) {
            weight += select(0.0, chosen[weights_at + j], expert_of[choices_at + j] / branch_size() == n);
        }
        for (var j = 0u; j < dims.choices; j++) {
            let e = expert_of[choices_at + j];
            if (weight > 0.0 && e / branch_size() == n) {
                d_logits[experts_at + e] -= chosen[weights_at + j] / weight * (whole - of_scores);
            }
        }
    }
}
