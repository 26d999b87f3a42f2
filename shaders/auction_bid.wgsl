//! auction_bid.wgsl — a round of bids: what every expert offers for the K tokens of the highest value to it.
//! Twin: src/kernels/auction_bid.rs   Dispatch: (E, G, 1), indirect after the first round: none once every token had a bid
//! Parts: dims, pairs, auction, select
//!
//! One workgroup an expert and group. A value is score less price; a bid its advantage over the next best and the smallest raise.
//! For 100 rounds a token that the expert has is worth the highest score, and it bids just the raise. Of equal values those that
//! it has come first, then the lower token. A group whose tokens all had a bid is done.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> router: array<f32>;     // f32[2, T, stride]: [0] logits
@group(0) @binding(2) var<storage, read> bounds: array<u32>;     // u32[G, 2]: as in auction_bounds
@group(0) @binding(3) var<storage, read> prices: array<f32>;     // f32[G, K·E]
@group(0) @binding(4) var<storage, read> places: array<u32>;     // u32[G, K·E]: as in the part auction
@group(0) @binding(5) var<storage, read> solver: array<u32>;     // u32[G, iterations]: tokens without a bid
@group(0) @binding(6) var<storage, read_write> bids: array<f32>; // f32[G, K·E, E]: first values, then bids, or 0

/// Rounds in which experts hold on to what they have won.
const HOLDING = 100u;
/// The smallest raise: this part of the scores' range, a product since devices may round quotients as they like, or this.
const RAISE = 0.02;
const LEAST_RAISE = 1e-4;

const THREADS = 64u;

var<workgroup> ties_of: array<vec2u, THREADS>;   // of a thread's span: values that are the threshold, of tokens held and not held

var<private> bids_at: u32;

fn candidate(i: u32) -> bool { return true; }
fn key(i: u32) -> u32 { return sortable(bids[bids_at + i * dims.experts]); }

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let e = group.x;
    let g = group.y;
    if (dims.iteration > 0u && solver[g * dims.iterations + dims.iteration - 1u] == 0u) { return; }
    let k = share();
    let count = k * dims.experts;
    let first = g * count;
    bids_at = first * dims.experts + e;
    let least = lowest(bounds[2u * g + 1u]);
    let most = highest(bounds[2u * g]);
    let raise = max((most - least) * RAISE, LEAST_RAISE);
    for (var i = lane; i < count; i += THREADS) {
        var score = least;
        if (i < dims.group_tokens) { score = known(router[(g * dims.group_tokens + i) * dims.stride + e], least); }
        var value = score - prices[first + i];
        if (places[first + i] == e + 1u) { value = select(score, most, dims.iteration <= HOLDING); }
        bids[bids_at + i * dims.experts] = value;
    }
    // the next best: with one expert there is none, and nothing to outbid
    let rank = min(k + 1u, count);
    select_nth(lane, count, rank, true);
    let above = rank - workgroupUniformLoad(&equals);
    let taken = k - above;   // of the values that are the threshold

    storageBarrier();
    let span = span_of(lane, count);
    var before = vec2u();
    if (taken > 0u) {
        var ties = vec2u();
        for (var i = span.x; i < span.y; i++) {
            if (key(i) == threshold) { ties += select(vec2u(0u, 1u), vec2u(1u, 0u), places[first + i] == e + 1u); }
        }
        ties_of[lane] = ties;
        workgroupBarrier();
        for (var i = 0u; i < THREADS; i++) {
            if (i < lane) { before += ties_of[i]; }
            before.y += ties_of[i].x;
        }
    }
    let next = sorted(threshold);
    for (var i = span.x; i < span.y; i++) {
        let held = places[first + i] == e + 1u;
        let at = bids_at + i * dims.experts;
        var wanted = key(i) > threshold;
        if (key(i) == threshold) {
            wanted = select(before.y, before.x, held) < taken;
            before += select(vec2u(0u, 1u), vec2u(1u, 0u), held);
        }
        let advantage = select(bids[at] - next, 0.0, held && dims.iteration < HOLDING);
        bids[at] = select(0.0, advantage + raise, wanted);
    }
}
