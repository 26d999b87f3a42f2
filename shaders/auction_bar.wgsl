//! auction_bar.wgsl — the experts' answer to those who ask: the bar of each, which as many of them reach as it has room for.
//! Twin: src/kernels/auction_bar.rs   Dispatch: (E, G, 1), indirect: none where nobody asked anew
//! Parts: dims, pairs, auction, select
//!
//! One workgroup an expert and group. The larger score first, equal ones in the order of tokens. An expert with room for all who
//! ask sets no bar. Bars only rise, so that nobody asks twice in vain: this is deferred acceptance.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> router: array<f32>;       // f32[2, T, stride]: [0] logits
@group(0) @binding(2) var<storage, read> bounds: array<u32>;       // u32[G, 2]: as in auction_bounds
@group(0) @binding(3) var<storage, read> places: array<u32>;       // u32[G, K·E]: as in the part auction
@group(0) @binding(4) var<storage, read> asked: array<u32>;        // u32[G, E]: tokens that asked anew, by turn
@group(0) @binding(5) var<storage, read_write> bars: array<vec2u>; // u32[G, E, 2]: as in auction_ask

const THREADS = 64u;
const NOBODY = vec2u(0xffffffffu, 0u);

var<workgroup> held: atomic<u32>;    // tokens that the expert has from the auction
var<workgroup> asking: atomic<u32>;  // tokens that ask it
var<workgroup> room: u32;            // 0: the bar is set, or there is none

var<private> first: u32;   // of the group's places
var<private> expert: u32;
var<private> least: f32;
var<private> scores_at: u32;

fn candidate(i: u32) -> bool { return places[first + i] == (ASKS | (expert + 1u)); }

fn key(i: u32) -> u32 {
    if (i >= dims.group_tokens) { return sortable(least); }
    return sortable(known(router[scores_at + i * dims.stride], least));
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let g = group.y;
    let k = share();
    let count = k * dims.experts;
    expert = group.x;
    first = g * count;
    scores_at = g * dims.group_tokens * dims.stride + expert;
    least = lowest(bounds[2u * g + 1u]);
    let bar_at = g * dims.experts + expert;
    // nobody asked anew
    if (asked[g * dims.experts + dims.iteration] == 0u) { return; }
    if (lane == 0u) {
        atomicStore(&held, 0u);
        atomicStore(&asking, 0u);
    }
    workgroupBarrier();
    for (var i = lane; i < count; i += THREADS) {
        if (places[first + i] == expert + 1u) { atomicAdd(&held, 1u); }
        if (candidate(i)) { atomicAdd(&asking, 1u); }
    }
    workgroupBarrier();
    if (lane == 0u) {
        room = k - atomicLoad(&held);
        if (room == 0u) { bars[bar_at] = NOBODY; }
        if (atomicLoad(&asking) < room) { room = 0u; }
    }
    if (workgroupUniformLoad(&room) == 0u) { return; }
    select_nth(lane, count, room, true);

    // the last token that takes a place, of those whose score is the bar
    let span = span_of(lane, count);
    var before = ties_before(lane, span);
    for (var i = span.x; i < span.y; i++) {
        if (!candidate(i) || key(i) != threshold) { continue; }
        before++;
        if (before == equals) { bars[bar_at] = vec2u(threshold, i); }
    }
}
