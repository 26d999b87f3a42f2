//! auction_award.wgsl — the end of a round: every token goes to its highest bid, of equal ones the lower expert's, and its
//! price rises by it.
//! Twin: src/kernels/auction_award.rs   Dispatch: (ceil(K·E / 64), G, 1)
//! Parts: dims, auction
//!
//! Where a token had no bid there is another round: the grid of its bids is written here, and stays 0 otherwise.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> bids: array<f32>;                 // f32[G, K·E, E]: or 0
@group(0) @binding(2) var<storage, read_write> prices: array<f32>;         // f32[G, K·E]
@group(0) @binding(3) var<storage, read_write> places: array<u32>;         // u32[G, K·E]: as in the part auction
@group(0) @binding(4) var<storage, read_write> expert_of: array<u32>;      // u32[T, 1]: whose bid it was, where there was one
@group(0) @binding(5) var<storage, read_write> solver: array<atomic<u32>>; // u32[G, iterations]: tokens without a bid
@group(0) @binding(6) var<storage, read_write> grids: array<atomic<u32>>;  // u32[iterations + E, 4]: of bids by round, then of bars by turn

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let g = id.y;
    let count = share() * dims.experts;
    if (id.x >= count) { return; }
    let state = g * dims.iterations + dims.iteration;
    if (dims.iteration > 0u && atomicLoad(&solver[state - 1u]) == 0u) { return; }
    let at = g * count + id.x;
    var best = 0.0;
    var winner = 0u;
    for (var e = 0u; e < dims.experts; e++) {
        let bid = bids[at * dims.experts + e];
        if (bid > best) {
            best = bid;
            winner = e + 1u;
        }
    }
    prices[at] += best;
    places[at] = winner;
    if (winner == 0u) {
        atomicAdd(&solver[state], 1u);
        if (dims.iteration + 1u < dims.iterations) {
            let next = 4u * (dims.iteration + 1u);
            atomicStore(&grids[next], dims.experts);
            atomicStore(&grids[next + 1u], dims.groups);
            atomicStore(&grids[next + 2u], 1u);
        }
    } else if (id.x < dims.group_tokens) {
        expert_of[g * dims.group_tokens + id.x] = winner - 1u;
    }
}
