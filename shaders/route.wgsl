//! route.wgsl — scores and the stable top-k of every token.
//! Twin: src/kernels/route.rs   Dispatch: (ceil(T / 64), 1, 1)
//! Parts: dims, rng, gumbel, finite
//!
//! Larger score first, equal scores to the lower expert. Without a selection bias the order is the logits', so that scores
//! that round to the same number, or to 0, keep it; softmax and sigmoid are monotone. NaN counts as −∞.
//! k passes over the experts instead of a sorted list: any k up to E without private arrays. Of several prototypes the best
//! ones of all come first, then the next of all.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read_write> router: array<f32>;    // f32[2, T, stride]: [0] logits, [1] scores, written here
@group(0) @binding(2) var<storage, read> bias: array<f32>;            // f32[E], or f32[G, E] of logits, read if BIASED
@group(0) @binding(3) var<storage, read_write> expert_of: array<u32>; // u32[T, k], with DECLINED where one is not asked, NONE after the last
@group(0) @binding(4) var<storage, read_write> chosen: array<f32>;    // f32[T, columns]: score of each choice, then the shared gate
@group(0) @binding(5) var<storage, read_write> stats: array<vec4f>;   // f32[T, 4]: logsumexp of the logits (of prototypes: the root of their mean square), best score, sum of scores, 0
@group(0) @binding(6) var<storage, read> draws: array<f32>;           // f32[T, E], or f32[T, k] for CHANCE, read if GIVEN

override SIGMOID: u32 = 0u;       // 1: sigmoid scores, else softmax
override SELECTED: u32 = 0u;      // 1: softmax over the chosen logits
override BIASED: u32 = 0u;        // 1: choose by score + bias, 2: by logit + bias of the token's group
override UNCHOSEN: u32 = 0u;      // 1: scores only, the choices are made afterwards; 2: they were made before
override GROUP_LIMITED: u32 = 0u; // 1: choose within the group_limit best expert groups
override SHARED_GATE: u32 = 0u;   // 1: the shared expert's gate is the logit after the last expert's
override POLICY: u32 = 0u;        // what else decides who is chosen and asked: one of those below
override GIVEN: u32 = 0u;         // 1: the policy's random numbers are given

const BEST = 0u;        // the best are chosen, and all of them asked
const DRAWN = 1u;       // all are drawn from the softmax of the logits, without replacement
const OTHERS = 2u;      // the best, and the others so drawn
const ALONE = 3u;       // of the best only the first is asked
const CHANCE = 4u;      // the first, and the others with the probability share / threshold
const THRESHOLD = 5u;   // the first, and the others whose share is above the threshold
const COVER = 6u;       // the best, until their scores are the threshold's part of all
const ABOVE = 7u;       // the best, as long as they score above the threshold

var<private> logits_at: u32;
var<private> scores_at: u32;
var<private> bias_at: u32;
var<private> token: u32;
var<private> best: u32;   // first choice, once there is one
/// Bit g: expert group g may be chosen from.
var<private> allowed: array<u32, 32>;

/// What is added to a logit for its expert to be drawn.
fn noise(e: u32) -> f32 {
    if (GIVEN == 1u) { return draws[token * dims.experts + e]; }
    return gumbel(token, DRAW_LANE + e);
}

/// By what choice `j` is asked or not.
fn luck(j: u32) -> f32 {
    if (GIVEN == 1u) { return draws[token * dims.choices + j]; }
    return uniform_f32(token, ASK_LANE + j);
}

fn key(e: u32) -> f32 {
    if (BIASED == 2u) { return router[logits_at + e] + bias[bias_at + e]; }
    if (BIASED == 1u || GROUP_LIMITED == 1u) {
        var v = router[scores_at + e];
        if (BIASED == 1u) { v += bias[e]; }
        return v;
    }
    if (POLICY == DRAWN || (POLICY == OTHERS && best != NONE)) { return router[logits_at + e] + noise(e); }
    return router[logits_at + e];
}

/// A group's score: the sum of its two best keys.
fn group_key(g: u32) -> f32 {
    let size = dims.experts / dims.expert_groups;
    var first = LOWEST;
    var second = LOWEST;
    for (var e = g * size; e < (g + 1u) * size; e++) {
        let v = key(e);
        if (v > first) { second = first; first = v; } else if (v > second) { second = v; }
    }
    return first + select(0.0, second, size > 1u);
}

fn limit_groups() {
    for (var i = 0u; i < 32u; i++) { allowed[i] = 0u; }
    for (var n = 0u; n < dims.group_limit; n++) {
        var best = 0u;
        var best_key = 0.0;
        var found = false;
        for (var g = 0u; g < dims.expert_groups; g++) {
            if (((allowed[g / 32u] >> (g % 32u)) & 1u) == 1u) { continue; }
            let v = group_key(g);
            if (!found || v > best_key) { best = g; best_key = v; found = true; }
        }
        allowed[best / 32u] |= 1u << (best % 32u);
    }
}

/// Marks the choices that are not asked.
fn decline() {
    let at = token * dims.columns;
    var sum = 0.0;
    for (var j = 0u; j < dims.choices; j++) { sum += chosen[at + j]; }
    for (var j = 1u; j < dims.choices; j++) {
        let share = select(0.0, chosen[at + j] / sum, sum > 0.0);
        var asked = false;
        if (POLICY == CHANCE) { asked = luck(j) * dims.threshold < share; }
        if (POLICY == THRESHOLD) { asked = share > dims.threshold; }
        if (!asked) { expert_of[token * dims.choices + j] |= DECLINED; }
    }
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let t = id.x;
    if (t >= dims.tokens) { return; }
    let experts = dims.experts;
    token = t;
    best = NONE;
    logits_at = t * dims.stride;
    scores_at = (dims.tokens + t) * dims.stride;
    bias_at = t / dims.group_tokens * experts;

    let size = experts / dims.prototypes;
    var highest = 0.0;
    var total = 0.0;
    var lse = 0.0;
    var squares = 0.0;
    for (var first = 0u; first < experts; first += size) {
        var largest = LOWEST;
        for (var e = first; e < first + size; e++) {
            let h = finite(router[logits_at + e]);
            router[logits_at + e] = h;
            largest = max(largest, h);
        }
        var sum = 0.0;
        for (var e = first; e < first + size; e++) { sum += exp(router[logits_at + e] - largest); }
        for (var e = first; e < first + size; e++) {
            let h = router[logits_at + e];
            var s = exp(h - largest) / sum;
            if (SIGMOID == 1u) { s = 1.0 / (1.0 + exp(-h)); }
            router[scores_at + e] = s;
            highest = max(highest, s);
            total += s;
        }
        lse = largest + log(sum);
        squares += lse * lse;
    }
    if (dims.prototypes > 1u) { lse = sqrt(squares / f32(dims.prototypes)); }
    stats[t] = vec4f(lse, highest, total, 0.0);

    var gate = 1.0;
    if (SHARED_GATE == 1u) { gate = 1.0 / (1.0 + exp(-finite(router[logits_at + dims.gate_at]))); }
    for (var j = dims.choices; j < dims.columns; j++) { chosen[t * dims.columns + j] = gate; }
    if (UNCHOSEN == 2u) {
        for (var j = 0u; j < dims.choices; j++) {
            chosen[t * dims.columns + j] = router[scores_at + expert_of[t * dims.choices + j]];
        }
    }
    if (UNCHOSEN != 0u) { return; }

    if (GROUP_LIMITED == 1u) { limit_groups(); }
    let group_size = experts / dims.expert_groups;
    var chosen_largest = LOWEST;
    // how many choices are not after another in the same order: the first of every prototype, and of the drawn ones
    let firsts = dims.prototypes + select(0u, 1u, POLICY == OTHERS);
    var count = dims.choices;
    var covered = 0.0;
    let cover = dims.threshold * select(1.0, total, SIGMOID == 1u);
    for (var j = 0u; j < dims.choices; j++) {
        var last = 0u;
        var last_key = 0.0;
        if (j >= firsts) {
            last = expert_of[t * dims.choices + j - dims.prototypes];
            last_key = key(last);
        }
        var e_best = 0u;
        var k_best = 0.0;
        var found = false;
        let first = j % dims.prototypes * size;
        for (var e = first; e < first + size; e++) {
            if (GROUP_LIMITED == 1u) {
                let g = e / group_size;
                if (((allowed[g / 32u] >> (g % 32u)) & 1u) == 0u) { continue; }
            }
            if (POLICY == OTHERS && e == best) { continue; }
            let v = key(e);
            let later = j < firsts || v < last_key || (v == last_key && e > last);
            if (later && (!found || v > k_best)) { e_best = e; k_best = v; found = true; }
        }
        let score = router[scores_at + e_best];
        if ((POLICY == COVER && covered >= cover) || (POLICY == ABOVE && score <= dims.threshold)) { count = j; break; }
        covered += score;
        if (j == 0u) { best = e_best; }
        expert_of[t * dims.choices + j] = e_best;
        chosen[t * dims.columns + j] = score;
        chosen_largest = max(chosen_largest, router[logits_at + e_best]);
    }
    for (var j = count; j < dims.choices; j++) {
        expert_of[t * dims.choices + j] = NONE;
        chosen[t * dims.columns + j] = 0.0;
    }
    if (SELECTED == 1u) {
        var over = 0.0;
        for (var j = 0u; j < count; j++) {
            over += exp(router[logits_at + expert_of[t * dims.choices + j]] - chosen_largest);
        }
        for (var j = 0u; j < count; j++) {
            chosen[t * dims.columns + j] = exp(router[logits_at + expert_of[t * dims.choices + j]] - chosen_largest) / over;
        }
    }
    if (POLICY == ALONE || POLICY == CHANCE || POLICY == THRESHOLD) { decline(); }
}
