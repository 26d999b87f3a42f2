//! noisy_losses.wgsl — the losses importance and load of every group, CV² = variance / (mean² + ε) over its experts (Shazeer et
//! al. 2017, section 4), and the derivative of their weighted sum by each expert's importance and load.
//! Twin: src/kernels/noisy_losses.rs   Dispatch: (G, 1, 1)
//! Parts: dims

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> sums: array<vec2f>;         // f32[G, E, 2]: importance, load
@group(0) @binding(2) var<storage, read_write> losses: array<f32>;   // f32[G, 6]: [3] importance, [4] load, the others left alone
@group(0) @binding(3) var<storage, read_write> d_odds: array<vec2f>; // f32[G, E, 2]: derivative by importance and load

const THREADS = 64u;
const EPSILON = 1e-10;

var<workgroup> part: array<vec2f, THREADS>;

/// Adds up what the lanes have, in the order of a fixed tree.
fn total(lane: u32, own: vec2f) -> vec2f {
    part[lane] = own;
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (lane < half) { part[lane] += part[lane + half]; }
    }
    return workgroupUniformLoad(&part[0]);
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let first = group.x * dims.experts;
    let experts = f32(dims.experts);
    var own = vec2f();
    for (var e = lane; e < dims.experts; e += THREADS) { own += sums[first + e]; }
    let mean = total(lane, own) / experts;
    own = vec2f();
    for (var e = lane; e < dims.experts; e += THREADS) {
        let off = sums[first + e] - mean;
        own += off * off;
    }
    let variance = total(lane, own) / experts;
    let below = mean * mean + EPSILON;
    if (lane == 0u) {
        losses[6u * group.x + 3u] = variance.x / below.x;
        losses[6u * group.x + 4u] = variance.y / below.y;
    }
    let weight = vec2f(dims.importance, dims.load) / f32(dims.groups);
    for (var e = lane; e < dims.experts; e += THREADS) {
        let off = sums[first + e] - mean;
        d_odds[first + e] = weight * 2.0 / experts * (off / below - variance * mean / (below * below));
    }
}
