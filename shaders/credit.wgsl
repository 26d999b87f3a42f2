//! credit.wgsl — counts the pulls of a batch and sums their rewards, for each pair of an id and an expert.
//! Twin: src/kernels/credit.rs   Dispatch: (ceil(T / 64), 1, 1)
//! Parts: dims
//!
//! One invocation walks the tokens of an id in their order, so that sums are in a fixed order and no two touch the same arm. Tokens
//! that were turned away count for nothing.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> labels: array<u32>;       // u32[2, T]: ids, tokens sorted by them
@group(0) @binding(2) var<storage, read> expert_of: array<u32>;    // u32[T, 1]
@group(0) @binding(3) var<storage, read> placement: array<vec2u>;  // u32[T, columns, 2]
@group(0) @binding(4) var<storage, read> reward: array<f32>;       // f32[T]
@group(0) @binding(5) var<storage, read_write> earned: array<f32>; // f32[2, vocabulary, E]: pulls, sums of rewards; 0 before

/// The `i`-th token by id.
fn token(i: u32) -> u32 { return labels[dims.tokens + i]; }

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let first = id.x;
    if (first >= dims.tokens) { return; }
    let own = labels[token(first)];
    if (first > 0u && labels[token(first - 1u)] == own) { return; }
    let sums = dims.vocabulary * dims.experts;
    for (var i = first; i < dims.tokens; i++) {
        let t = token(i);
        if (labels[t] != own) { break; }
        if (placement[t * dims.columns].y == DROPPED) { continue; }
        let arm = own * dims.experts + expert_of[t];
        earned[arm] += 1.0;
        earned[sums + arm] += reward[t];
    }
}
