//! noisy_sums.wgsl — importance and load of every expert in every group, tokens and load of every branch: sums over its tokens, in the
//! order of a fixed tree.
//! Twin: src/kernels/noisy_sums.rs   Dispatch: (E + branches, G, 1)
//! Parts: dims

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> odds: array<vec2f>;         // f32[T, E + branches, 2]: as noisy_odds leaves them
@group(0) @binding(2) var<storage, read_write> sums: array<vec2f>;   // f32[G, E + branches, 2]: the same of all tokens

const THREADS = 64u;

var<workgroup> part: array<vec2f, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let first = group.y * dims.group_tokens;
    var own = vec2f();
    for (var i = lane; i < dims.group_tokens; i += THREADS) { own += odds[(first + i) * dims.logits + group.x]; }
    part[lane] = own;
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (lane < half) { part[lane] += part[lane + half]; }
    }
    if (lane == 0u) { sums[group.y * dims.logits + group.x] = part[0]; }
}
