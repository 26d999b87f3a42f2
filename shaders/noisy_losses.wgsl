//! noisy_losses.wgsl — the losses importance and load of every group, CV² = variance / (mean² + ε) over its experts (Shazeer et
//! al. 2017, section 4), and the derivative of their weighted sum by each expert's importance and load.
//! Twin: src/kernels/noisy_losses.rs   Dispatch: (G, 1, 1)
//! Parts: dims
//!
//! In a branch an expert's load is the branch's load times the expert's over the tokens that chose the branch (appendix B), or, if none
//! did, times what it would have of them were they spread evenly.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> sums: array<vec2f>;         // f32[G, E + branches, 2]: importance, load; tokens, load
@group(0) @binding(2) var<storage, read_write> losses: array<f32>;   // f32[G, 6]: [3] importance, [4] load, the others left alone
@group(0) @binding(3) var<storage, read_write> d_odds: array<vec2f>; // f32[G, E + branches, 2]: derivative by what the sums are of

const THREADS = 64u;
const EPSILON = 1e-10;

var<workgroup> part: array<vec2f, THREADS>;
var<private> first: u32;   // of the group's sums

/// Adds up what the lanes have, in the order of a fixed tree.
fn total(lane: u32, own: vec2f) -> vec2f {
    part[lane] = own;
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (lane < half) { part[lane] += part[lane + half]; }
    }
    return workgroupUniformLoad(&part[0]);
}

/// Tokens and load of the branch of an expert.
fn branch_of(e: u32) -> vec2f { return sums[first + dims.experts + e / (dims.experts / dims.branches)]; }

/// An expert's part of the load of its branch: as if its tokens were spread evenly if there are none.
fn part_of_branch(e: u32) -> f32 {
    let tokens = branch_of(e).x;
    let evenly = f32(dims.choices * dims.branches) / f32(dims.branch_choices * dims.experts);
    return select(evenly, sums[first + e].y / tokens, tokens > 0.0);
}

/// Importance and load of an expert.
fn of_expert(e: u32) -> vec2f {
    if (dims.branches == 0u) { return sums[first + e]; }
    return vec2f(sums[first + e].x, branch_of(e).y * part_of_branch(e));
}

/// The derivative of the load of an expert by its sum.
fn by_sum(e: u32) -> f32 {
    if (dims.branches == 0u) { return 1.0; }
    let branch = branch_of(e);
    return select(0.0, branch.y / branch.x, branch.x > 0.0);
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    first = group.x * dims.logits;
    let experts = f32(dims.experts);
    var own = vec2f();
    for (var e = lane; e < dims.experts; e += THREADS) { own += of_expert(e); }
    let mean = total(lane, own) / experts;
    own = vec2f();
    for (var e = lane; e < dims.experts; e += THREADS) {
        let off = of_expert(e) - mean;
        own += off * off;
    }
    let variance = total(lane, own) / experts;
    let below = mean * mean + EPSILON;
    if (lane == 0u) {
        losses[6u * group.x + 3u] = variance.x / below.x;
        losses[6u * group.x + 4u] = variance.y / below.y;
    }
    let weight = vec2f(dims.importance, dims.load) / f32(dims.groups) * 2.0 / experts;
    for (var e = lane; e < dims.experts; e += THREADS) {
        let off = of_expert(e) - mean;
        d_odds[first + e] = weight * (off / below - variance * mean / (below * below)) * vec2f(1.0, by_sum(e));
    }
    for (var i = lane; i < dims.branches; i += THREADS) {
        let size = dims.experts / dims.branches;
        var d = 0.0;
        for (var e = i * size; e < (i + 1u) * size; e++) {
            let off = of_expert(e).y - mean.y;
            d += weight.y * (off / below.y - variance.y * mean.y / (below.y * below.y)) * part_of_branch(e);
        }
        d_odds[first + dims.experts + i] = vec2f(0.0, d);
    }
}
