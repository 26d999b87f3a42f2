//! crowded.wgsl — how many tokens of a group more experts took than a token should have.
//! Twin: src/kernels/crowded.rs   Dispatch: (ceil(T / 64), 1, 1)
//! Parts: dims, pairs

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> pairs: array<u32>;                  // u32[T, E]: HELD where an expert has the token
@group(0) @binding(2) var<storage, read_write> progress: array<atomic<u32>>; // u32[G, 4]: the last is that number, cleared by the caller

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let t = id.x;
    if (t >= dims.tokens) { return; }
    var held = 0u;
    for (var e = 0u; e < dims.experts; e++) { held += u32(is_held(pairs[t * dims.experts + e])); }
    if (held > dims.nominees) { atomicAdd(&progress[4u * (t / dims.group_tokens) + 3u], 1u); }
}
