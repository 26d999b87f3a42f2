//! project_experts.wgsl — first half of an iteration towards bounded shares: of its tokens' shares every expert has C in all.
//! Twin: src/kernels/project_experts.rs   Dispatch: (E, G, 1)
//! Parts: dims, log_sum_exp
//!
//! ln A += ln C − logsumexp_t(ln A). Shares begin as exp(score / ε). One workgroup an expert and group.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> router: array<f32>;       // f32[2, T, stride]: [1] scores
@group(0) @binding(2) var<storage, read_write> shares: array<f32>; // f32[2, T, stride]: [1] ln A

const THREADS = 64u;

var<private> first_at: u32;   // of the expert's pairs with the group's tokens

fn entry(i: u32) -> f32 {
    let at = first_at + i * dims.stride;
    if (dims.iteration == 0u) { return router[at] / dims.epsilon; }
    return shares[at];
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let count = dims.group_tokens;
    first_at = (dims.tokens + group.y * count) * dims.stride + group.x;
    let sums = largest_and_sum(lane, count);
    let step = log(f32(min(dims.slots, count))) - sums.x - log(sums.y);
    for (var i = lane; i < count; i += THREADS) { shares[first_at + i * dims.stride] = entry(i) + step; }
}
