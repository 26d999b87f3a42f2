//! settle.wgsl — the tokens' turn: each one that more than k experts have keeps the k of the largest logits, or scores, and leaves
//! the others.
//! Twin: src/kernels/settle.rs   Dispatch: (ceil(T / 64), 1, 1), indirect as choose
//! Parts: dims, pairs, grids
//!
//! Equal ones: the lower expert is kept.
//! Where a token left an expert there is another round: its grids are written here, and stay 0 otherwise.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> router: array<f32>;                 // f32[2, T, stride]: logits, scores
@group(0) @binding(2) var<storage, read_write> pairs: array<u32>;            // u32[T, E]
@group(0) @binding(3) var<storage, read_write> counts: array<atomic<u32>>;   // u32[G, 1, E]: tokens that an expert has
@group(0) @binding(4) var<storage, read_write> progress: array<atomic<u32>>; // u32[G, 4], as in choose
@group(0) @binding(5) var<storage, read_write> grids: array<atomic<u32>>;    // u32[rounds + 1, 2, 4]: of choose and of settle, by round

/// 0: in the next round the token is asked again; 1: not by experts that it would leave (deferred acceptance);
/// 2: nor by any once it has k (immediate acceptance).
override FINAL: u32 = 0u;
/// 1: scores instead of logits.
override BY_SCORE: u32 = 0u;

/// A few of the largest are found one after the other, more bit by bit: 32 looks at all experts, however many they are.
const FEW = 16u;

var<private> pairs_at: u32;    // of the token's
var<private> logits_at: u32;

fn has(e: u32) -> bool { return is_held(pairs[pairs_at + e]); }

fn logit(e: u32) -> u32 { return sortable(router[logits_at + e]); }

/// The k-th largest logit of the token's experts, and how many are larger: always the best of those that come after the last.
fn one_by_one() -> vec2u {
    var least = 0xffffffffu;
    var larger = 0u;
    var next = 0u;   // of those that are as large as the last, the first that counts
    for (var j = 0u; j < dims.choices; j++) {
        var best = 0u;
        var who = NONE;
        for (var e = 0u; e < dims.experts; e++) {
            if (!has(e)) { continue; }
            let h = logit(e);
            if ((h < least || (h == least && e >= next)) && (who == NONE || h > best)) {
                best = h;
                who = e;
            }
        }
        if (best < least) { larger = j; }
        least = best;
        next = who + 1u;
    }
    return vec2u(least, larger);
}

/// The same: how many of the token's experts have a logit of at least so much?
fn bit_by_bit() -> vec2u {
    var least = 0u;
    var larger = 0u;
    for (var bit = 0x80000000u; bit > 0u; bit >>= 1u) {
        var reach = 0u;
        for (var e = 0u; e < dims.experts; e++) { reach += u32(has(e) && logit(e) >= (least | bit)); }
        if (reach >= dims.choices) { least |= bit; } else { larger = reach; }
    }
    return vec2u(least, larger);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let t = id.x;
    if (t >= dims.tokens) { return; }
    let g = t / dims.group_tokens;
    let round = dims.iteration;
    if (FINAL != 2u && round > 0u && atomicLoad(&progress[4u * g + ((round + 1u) & 1u)]) == 0u) { return; }
    pairs_at = t * dims.experts;
    logits_at = select(t, dims.tokens + t, BY_SCORE == 1u) * dims.stride;
    var held = 0u;
    var open = 0u;
    for (var e = 0u; e < dims.experts; e++) {
        let pair = pairs[pairs_at + e];
        held += u32(is_held(pair));
        open += u32(is_open(pair));
    }
    if (held < dims.choices || (held == dims.choices && (FINAL == 0u || open == 0u))) { return; }
    if (FINAL == 2u) {
        for (var e = 0u; e < dims.experts; e++) {
            if (is_open(pairs[pairs_at + e])) { pairs[pairs_at + e] = NONE; }
        }
        return;
    }

    var last = vec2u();
    if (dims.choices <= FEW) { last = one_by_one(); } else { last = bit_by_bit(); }
    let least = last.x;
    var equal = dims.choices - last.y;   // of those with this logit so many are kept
    var left = 0u;
    for (var e = 0u; e < dims.experts; e++) {
        let pair = pairs[pairs_at + e];
        if (pair == NONE) { continue; }
        let h = logit(e);
        var keep = h > least;
        if (is_held(pair)) {
            if (h == least && equal > 0u) { equal--; keep = true; }
            if (!keep) {
                atomicSub(&counts[g * dims.experts + e], 1u);
                left++;
            }
        } else {
            // an open pair is worth more than the last one kept if its logit is larger, or as large at a lower expert
            keep = FINAL == 0u || keep || (h == least && equal > 0u);
        }
        if (!keep) { pairs[pairs_at + e] = NONE; }
    }
    if (left > 0u) {
        atomicAdd(&progress[4u * g + (round & 1u)], left);
        write_grid(2u * (round + 1u), dims.experts, dims.groups);
        write_grid(2u * (round + 1u) + 1u, (dims.tokens + 63u) / 64u, 1u);
    }
}
