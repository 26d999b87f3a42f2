//! column_scores.wgsl — scores as each expert's softmax over the tokens of a group, in place of each token's over experts.
//! Twin: src/kernels/column_scores.rs   Dispatch: (E, G, 1)
//! Parts: dims, log_sum_exp
//!
//! One workgroup an expert and group; sums in the order of a fixed tree.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read_write> router: array<f32>; // f32[2, T, stride]: [0] logits, [1] scores, written here

const THREADS = 64u;

var<private> expert: u32;
var<private> first: u32;   // token of the group

fn entry(i: u32) -> f32 { return router[(first + i) * dims.stride + expert]; }

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    expert = group.x;
    first = group.y * dims.group_tokens;
    let sums = largest_and_sum(lane, dims.group_tokens);
    for (var i = lane; i < dims.group_tokens; i += THREADS) {
        router[(dims.tokens + first + i) * dims.stride + expert] = exp(entry(i) - sums.x) / sums.y;
    }
}
