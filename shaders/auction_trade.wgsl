//! auction_trade.wgsl — a round of trades: experts that stand in a circle, each passing its offer on to the next, do so where all of
//! them together gain.
//! Twin: src/kernels/auction_trade.rs   Dispatch: (G, 1, 1), indirect after the first round: none once nobody traded
//! Parts: dims, auction, grids
//!
//! One workgroup a group. Circles are found by Bellman's relaxation: step by step, the most that is gained along a walk of passes
//! that ends at each expert, all experts of a step by what was known before it; of equal gains the lower expert passes. Once what
//! the experts remember of their walks closes circles, all of these trade: no two of them share an expert. Where none closes in
//! time, or nothing is gained any more, trades are over: the grids of another round are written only after one with trades. Circles of
//! more than LONGEST experts are not looked for.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> bounds: array<u32>;               // u32[G, 2]: as in auction_bounds
@group(0) @binding(2) var<storage, read> gains: array<f32>;                // f32[G, E, E]: as in auction_offers
@group(0) @binding(3) var<storage, read> offered: array<u32>;              // u32[G, E, E]: as in auction_offers
@group(0) @binding(4) var<storage, read_write> places: array<u32>;         // u32[G, K·E]: as in the part auction
@group(0) @binding(5) var<storage, read_write> expert_of: array<u32>;      // u32[T, 1]
@group(0) @binding(6) var<storage, read_write> solver: array<u32>;         // u32[G, iterations], then u32[rounds, G]: tokens traded
@group(0) @binding(7) var<storage, read_write> grids: array<atomic<u32>>;  // u32[rounds + 1, 2, 4]: of offers and trades, by round
@group(0) @binding(8) var<storage, read_write> traders: array<u32>;        // u32[G, E]: as in auction_offers

/// Steps of the relaxation. With as many experts as there may be, a thread stays below the 65,535 turns of loops that some
/// software adapters allow.
const STEPS = 12u;
const LONGEST = 64u;
/// A walk must gain this part of the scores' range to count, so that rounding makes no circle.
const LEAST_GAIN = 1.0 / 65536.0;

const THREADS = 256u;
const MOST_EXPERTS = 1024u;
const MOST_OF_A_THREAD = MOST_EXPERTS / THREADS;

var<workgroup> gained: array<f32, MOST_EXPERTS>;      // at most along a walk that ends at an expert
var<workgroup> giver_of: array<u32, MOST_EXPERTS>;    // who passes to an expert on that walk, or NONE
var<workgroup> changes: atomic<u32>;
var<workgroup> traded: atomic<u32>;
var<workgroup> over: u32;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let g = group.x;
    let first = g * dims.experts * dims.experts;   // of the group's offers
    if (lane == 0u) {
        over = 0u;
        if (dims.iteration > 0u) { over = u32(solver[traded_at(g, dims.iteration - 1u)] == 0u); }
        atomicStore(&changes, 0u);
        atomicStore(&traded, 0u);
    }
    if (workgroupUniformLoad(&over) == 1u) { return; }
    let enough = (highest(bounds[2u * g]) - lowest(bounds[2u * g + 1u])) * LEAST_GAIN;
    for (var e = lane; e < dims.experts; e += THREADS) {
        gained[e] = 0.0;
        giver_of[e] = NONE;
    }
    workgroupBarrier();
    var changed = 0u;   // before this step; of lane 0
    for (var step = 0u; step < STEPS; step++) {
        var gains_now: array<f32, MOST_OF_A_THREAD>;
        for (var n = 0u; lane + n * THREADS < dims.experts; n++) {
            let taker = lane + n * THREADS;
            var most = gained[taker] + enough;
            var giver = NONE;
            for (var e = 0u; e < dims.experts; e++) {
                let gain = gained[e] + gains[first + e * dims.experts + taker];
                if (e != taker && gain > most) {
                    most = gain;
                    giver = e;
                }
            }
            gains_now[n] = gained[taker];
            if (giver != NONE) {
                gains_now[n] = most;
                giver_of[taker] = giver;
                atomicAdd(&changes, 1u);
            }
        }
        workgroupBarrier();
        for (var n = 0u; lane + n * THREADS < dims.experts; n++) {
            let taker = lane + n * THREADS;
            gained[taker] = gains_now[n];
            let giver = giver_of[taker];
            var back = giver;
            for (var passes = 1u; passes < LONGEST && back != NONE && back != taker; passes++) { back = giver_of[back]; }
            if (back != taker) { continue; }
            let i = offered[first + giver * dims.experts + taker];
            places[g * share() * dims.experts + i] = taker + 1u;
            if (i < dims.group_tokens) { expert_of[g * dims.group_tokens + i] = taker; }
            traders[g * dims.experts + taker] = dims.iteration + 1u;
            atomicAdd(&traded, 1u);
        }
        workgroupBarrier();
        if (lane == 0u) {
            over = u32(atomicLoad(&traded) > 0u || atomicLoad(&changes) == changed);
            changed = atomicLoad(&changes);
        }
        if (workgroupUniformLoad(&over) == 1u) { break; }
    }
    if (lane == 0u && atomicLoad(&traded) > 0u) {
        solver[traded_at(g, dims.iteration)] = atomicLoad(&traded);
        let next = 2u * (dims.iteration + 1u);
        write_grid(next, dims.experts, dims.groups);
        write_grid(next + 1u, dims.groups, 1u);
    }
}
