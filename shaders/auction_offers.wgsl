//! auction_offers.wgsl — what a trade could gain: of every two experts, the token of the one that gains most with the other.
//! Twin: src/kernels/auction_offers.rs   Dispatch: (E, G, 1), indirect after the first round: none once nobody traded
//! Parts: dims, auction
//!
//! One workgroup an expert that gives and group. It lists the tokens that the expert has, of so many of the group at a time; where
//! there are fewer experts to take one than threads, several threads share the list. Equal gains: the lower token. An expert that has
//! the tokens that it had in the round before has the same offers.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> router: array<f32>;        // f32[2, T, stride]: [0] logits
@group(0) @binding(2) var<storage, read> bounds: array<u32>;        // u32[G, 2]: as in auction_bounds
@group(0) @binding(3) var<storage, read> places: array<u32>;        // u32[G, K·E]: as in the part auction
@group(0) @binding(4) var<storage, read> traders: array<u32>;       // u32[G, E]: the last round in which an expert traded and one, or 0
@group(0) @binding(5) var<storage, read_write> gains: array<f32>;   // f32[G, E, E]: by who gives, then by who takes
@group(0) @binding(6) var<storage, read_write> offered: array<u32>; // u32[G, E, E]: the token, counted within its group

const THREADS = 64u;
const LISTED = 1024u;
/// Less than any gain.
const NO_GAIN = -3e38;

var<workgroup> list: array<u32, LISTED>;
var<workgroup> length: atomic<u32>;
var<workgroup> gain_of: array<f32, THREADS>;    // of a thread's part of the list
var<workgroup> token_of: array<u32, THREADS>;

fn is_better(gain: f32, token: u32, than: f32, other: u32) -> bool {
    return gain > than || (gain == than && token < other);
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let giver = group.x;
    let g = group.y;
    if (traders[g * dims.experts + giver] != dims.iteration) { return; }
    let count = share() * dims.experts;
    let least = lowest(bounds[2u * g + 1u]);
    let takers = min(dims.experts, THREADS);   // at a time
    let parts = THREADS / takers;
    let part = lane / takers;
    for (var begin = 0u; begin < count; begin += LISTED) {
        if (lane == 0u) { atomicStore(&length, 0u); }
        workgroupBarrier();
        let end = min(begin + LISTED, count);
        for (var i = begin + lane; i < end; i += THREADS) {
            if (owner(places[g * count + i]) == giver) { list[atomicAdd(&length, 1u)] = i; }
        }
        workgroupBarrier();
        for (var first = 0u; first < dims.experts; first += takers) {
            let taker = first + lane % takers;
            let takes = part < parts && taker < dims.experts;
            var best = NO_GAIN;
            var token = NONE;
            if (takes) {
                for (var n = part; n < atomicLoad(&length); n += parts) {
                    let i = list[n];
                    var gain = 0.0;
                    if (i < dims.group_tokens) {
                        let at = (g * dims.group_tokens + i) * dims.stride;
                        gain = known(router[at + taker], least) - known(router[at + giver], least);
                    }
                    if (is_better(gain, i, best, token)) {
                        best = gain;
                        token = i;
                    }
                }
            }
            gain_of[lane] = best;
            token_of[lane] = token;
            workgroupBarrier();
            if (takes && part == 0u) {
                for (var other = lane + takers; other < parts * takers; other += takers) {
                    if (is_better(gain_of[other], token_of[other], best, token)) {
                        best = gain_of[other];
                        token = token_of[other];
                    }
                }
                let at = (g * dims.experts + giver) * dims.experts + taker;
                if (begin == 0u || best > gains[at]) {
                    gains[at] = best;
                    offered[at] = token;
                }
            }
            workgroupBarrier();
        }
    }
}
