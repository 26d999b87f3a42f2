//! auction_ask.wgsl — where an auction ended without a bid on every token: each such token asks the expert of its highest
//! score, of those whose bar it reaches.
//! Twin: src/kernels/auction_ask.rs   Dispatch: (ceil(K·E / 64), G, 1)
//! Parts: dims, pairs, auction
//!
//! Equal scores: the lower expert. A bar is a score, and the last token that reaches it with just that. A turn after one in which
//! nobody asked anyone else returns at once.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> router: array<f32>;              // f32[2, T, stride]: [0] logits
@group(0) @binding(2) var<storage, read> bounds: array<u32>;              // u32[G, 2]: as in auction_bounds
@group(0) @binding(3) var<storage, read> bars: array<vec2u>;              // u32[G, E, 2]: bits of a score, its last token; or 0
@group(0) @binding(4) var<storage, read> solver: array<u32>;              // u32[G, iterations]: tokens without a bid
@group(0) @binding(5) var<storage, read_write> places: array<u32>;        // u32[G, K·E]: as in the part auction
@group(0) @binding(6) var<storage, read_write> expert_of: array<u32>;     // u32[T, 1]
@group(0) @binding(7) var<storage, read_write> asked: array<atomic<u32>>; // u32[G, E]: tokens that asked anew, by turn
@group(0) @binding(8) var<storage, read_write> grids: array<atomic<u32>>; // u32[iterations + E, 4]: as in auction_award

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let g = id.y;
    let i = id.x;
    let count = share() * dims.experts;
    if (i >= count || solver[(g + 1u) * dims.iterations - 1u] == 0u) { return; }
    let turn = g * dims.experts + dims.iteration;
    if (dims.iteration > 0u && atomicLoad(&asked[turn - 1u]) == 0u) { return; }
    let place = places[g * count + i];
    if (place != 0u && (place & ASKS) == 0u) { return; }
    let least = lowest(bounds[2u * g + 1u]);
    var best = 0u;
    var wish = 0u;
    for (var e = 0u; e < dims.experts; e++) {
        var score = least;
        if (i < dims.group_tokens) { score = known(router[(g * dims.group_tokens + i) * dims.stride + e], least); }
        let bits = sortable(score);
        let bar = bars[g * dims.experts + e];
        let reaches = bits > bar.x || (bits == bar.x && i <= bar.y);
        if (reaches && bits > best) {
            best = bits;
            wish = e;
        }
    }
    let now = ASKS | (wish + 1u);
    if (now == place) { return; }
    atomicAdd(&asked[turn], 1u);
    let answer = 4u * (dims.iterations + dims.iteration);
    atomicStore(&grids[answer], dims.experts);
    atomicStore(&grids[answer + 1u], dims.groups);
    atomicStore(&grids[answer + 2u], 1u);
    places[g * count + i] = now;
    if (i < dims.group_tokens) { expert_of[g * dims.group_tokens + i] = wish; }
}
