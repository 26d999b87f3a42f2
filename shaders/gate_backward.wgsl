//! gate_backward.wgsl — from the gradients of the weights and of the auxiliary losses to the gradient of the logits.
//! Twin: src/kernels/gate_backward.rs   Dispatch: (ceil(T / 64), 1, 1)
//! Parts: dims
//!
//! Which experts were chosen and kept is a constant. Padding columns of d_logits become 0.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> router: array<f32>;          // f32[2, T, stride]: logits, scores
@group(0) @binding(2) var<storage, read> stats: array<vec4f>;         // f32[T, 4]: logsumexp, best, sum of scores, logsumexp without the first choice
@group(0) @binding(3) var<storage, read> expert_of: array<u32>;       // u32[T, k]
@group(0) @binding(4) var<storage, read> chosen: array<f32>;          // f32[T, columns]
@group(0) @binding(5) var<storage, read> placement: array<vec2u>;     // u32[T, columns, 2]
@group(0) @binding(6) var<storage, read> d_weight: array<f32>;        // f32[T, columns]: 0 where dropped
@group(0) @binding(7) var<storage, read> d_share: array<f32>;         // f32[2, G, E]: by q_te and q2_te, as in losses
@group(0) @binding(8) var<storage, read_write> d_logits: array<f32>;  // f32[T, stride]

override SIGMOID: u32 = 0u;      // as in route
override SELECTED: u32 = 0u;     // as in route
override SHARED_GATE: u32 = 0u;  // as in route
override OVER_TOKENS: u32 = 0u;  // 1: scores are shares of a column; s·ds of each is left for column_backward
override LABELS: u32 = 0u;       // 1: nothing is learned but the shared expert's gate
override COOLED: u32 = 0u;       // 1: logits were divided by the temperature
override UNWEIGHED: u32 = 0u;    // 1: no weight hangs on a score
override RENORMALIZE: u32 = 0u;  // as in place
override RESIDUAL: u32 = 0u;     // as in place

var<private> scale: f32;    // factor on the weights
var<private> sum: f32;      // what the chosen scores were divided by
var<private> across: f32;   // Σ_j d_weight·chosen / sum², through that division

fn counted(at: u32) -> bool { return RENORMALIZE == 1u || placement[at].y != DROPPED; }

/// Derivative by the chosen score of assignment `at`.
fn d_chosen(at: u32) -> f32 {
    if (RENORMALIZE == 0u) { return scale * d_weight[at]; }
    if (!counted(at) || sum <= 0.0) { return 0.0; }
    return scale * (d_weight[at] / sum - across);
}

/// Of the logits of the prototype whose first expert is `first`: the token's own if there is one alone.
fn logsumexp(t: u32, first: u32, size: u32) -> f32 {
    if (dims.prototypes == 1u) { return stats[t].x; }
    var largest = first;
    for (var e = first; e < first + size; e++) {
        if (router[t * dims.stride + e] > router[t * dims.stride + largest]) { largest = e; }
    }
    return router[t * dims.stride + largest] - log(router[(dims.tokens + t) * dims.stride + largest]);
}

/// Share of expert `e` in the softmax over all of a token's experts but its first choice.
fn share_of_rest(t: u32, e: u32) -> f32 {
    if (e == expert_of[t * dims.choices]) { return 0.0; }
    return exp(router[t * dims.stride + e] - stats[t].w);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let t = id.x;
    if (t >= dims.tokens) { return; }
    let g = t / dims.group_tokens;
    let logits_at = t * dims.stride;
    let scores_at = (dims.tokens + t) * dims.stride;
    let summed = SIGMOID == 1u || dims.prototypes > 1u;   // else scores are shares
    let share_of = select(1.0, 1.0 / stats[t].z, summed && stats[t].z > 0.0);

    scale = dims.scale;
    if (RESIDUAL == 1u) { scale *= 1.0 - chosen[t * dims.columns + dims.choices]; }
    sum = 0.0;
    across = 0.0;
    for (var j = 0u; j < dims.choices; j++) {
        let at = t * dims.columns + j;
        if (counted(at)) { sum += chosen[at]; }
        across += d_weight[at] * chosen[at];
    }
    let weighed = across;
    if (sum > 0.0) { across /= sum * sum; }

    // the auxiliary losses, through the shares q = scores / Σ scores
    let size = dims.experts / dims.prototypes;
    let scored = select(dims.experts, 0u, LABELS == 1u);
    for (var first = 0u; first < scored; first += size) {
        var mean = 0.0;
        for (var e = first; e < first + size; e++) { mean += router[scores_at + e] * d_share[g * dims.experts + e]; }
        if (SIGMOID == 1u) { mean *= share_of; }
        let lse = logsumexp(t, first, size);
        let z = dims.z * 2.0 / f32(dims.tokens * dims.prototypes) * lse;
        for (var e = first; e < first + size; e++) {
            let s = router[scores_at + e];
            var d = (d_share[g * dims.experts + e] - mean) * share_of;
            if (SIGMOID == 1u) {
                d = s * (1.0 - s) * d + z * exp(router[logits_at + e] - lse);
            } else {
                d = s * (d + z);
            }
            if (OVER_TOKENS == 1u) { d = 0.0; }
            d_logits[t * dims.stride + e] = d;
        }
    }
    if (dims.second_place != 0.0) {
        let seconds = (dims.groups + g) * dims.experts;
        var mean = 0.0;
        for (var e = 0u; e < dims.experts; e++) { mean += share_of_rest(t, e) * d_share[seconds + e]; }
        for (var e = 0u; e < dims.experts; e++) {
            d_logits[t * dims.stride + e] += share_of_rest(t, e) * (d_share[seconds + e] - mean);
        }
    }
    for (var e = dims.gate_at; e < dims.stride; e++) { d_logits[t * dims.stride + e] = 0.0; }

    if (SHARED_GATE == 1u) {
        var d = 0.0;
        for (var j = dims.choices; j < dims.columns; j++) { d += d_weight[t * dims.columns + j]; }
        if (RESIDUAL == 1u && RENORMALIZE == 0u) { d -= dims.scale * weighed; }
        if (RESIDUAL == 1u && RENORMALIZE != 0u && sum > 0.0) { d -= dims.scale * weighed / sum; }
        let s = chosen[t * dims.columns + dims.choices];
        d_logits[t * dims.stride + dims.gate_at] = s * (1.0 - s) * d;
    }
    if (LABELS == 1u || UNWEIGHED == 1u) { return; }

    // the weights, through the chosen scores
    var inner = 0.0;
    for (var n = 0u; n < dims.prototypes; n++) {
        inner = 0.0;
        for (var j = n; j < dims.choices; j += dims.prototypes) {
            let at = t * dims.columns + j;
            inner += chosen[at] * d_chosen(at);
        }
        if (SIGMOID == 1u || SELECTED == 1u || OVER_TOKENS == 1u) { break; }
        for (var e = n * size; e < (n + 1u) * size; e++) { d_logits[t * dims.stride + e] -= router[scores_at + e] * inner; }
    }
    for (var j = 0u; j < dims.choices; j++) {
        let at = t * dims.columns + j;
        let named = expert_of[t * dims.choices + j];
        if (named == NONE) { continue; }
        let e = t * dims.stride + (named & ~DECLINED);
        let s = chosen[at];
        if (SIGMOID == 1u) {
            d_logits[e] += s * (1.0 - s) * d_chosen(at);
        } else if (SELECTED == 1u) {
            d_logits[e] += s * (d_chosen(at) - inner);
        } else {
            d_logits[e] += s * d_chosen(at);
        }
    }
    if (COOLED == 0u) { return; }
    for (var e = 0u; e < dims.experts; e++) { d_logits[t * dims.stride + e] /= dims.temperature; }
}
