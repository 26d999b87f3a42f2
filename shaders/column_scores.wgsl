//! column_scores.wgsl — scores as each expert's softmax over the tokens of a group, in place of each token's over experts.
//! Twin: src/kernels/column_scores.rs   Dispatch: (E, G, 1)
//! Parts: dims
//!
//! One workgroup an expert and group; sums in the order of a fixed tree.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read_write> router: array<f32>; // f32[2, T, stride]: [0] logits, [1] scores, written here

const THREADS = 64u;
const LOWEST = -0x1.fffffep+127f;

var<workgroup> part: array<f32, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let e = group.x;
    let first = group.y * dims.group_tokens;
    var most = LOWEST;
    for (var i = lane; i < dims.group_tokens; i += THREADS) { most = max(most, router[(first + i) * dims.stride + e]); }
    part[lane] = most;
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (lane < half) { part[lane] = max(part[lane], part[lane + half]); }
    }
    let largest = workgroupUniformLoad(&part[0]);
    var sum = 0.0;
    for (var i = lane; i < dims.group_tokens; i += THREADS) { sum += exp(router[(first + i) * dims.stride + e] - largest); }
    part[lane] = sum;
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (lane < half) { part[lane] += part[lane + half]; }
    }
    let total = workgroupUniformLoad(&part[0]);
    for (var i = lane; i < dims.group_tokens; i += THREADS) {
        let t = first + i;
        router[(dims.tokens + t) * dims.stride + e] = exp(router[t * dims.stride + e] - largest) / total;
    }
}
