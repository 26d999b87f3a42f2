//! taken.wgsl — which experts took a token, by token: the experts' choices turned around.
//! Twin: src/kernels/taken.rs   Dispatch: (ceil(T / 64), 1, 1)
//! Parts: dims

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> pairs: array<u32>;                // u32[T, E]: slot, or NONE
@group(0) @binding(2) var<storage, read> router: array<f32>;               // f32[2, T, stride]: [1] scores
@group(0) @binding(3) var<storage, read_write> expert_of: array<u32>;      // u32[T, k]: by number, then NONE
@group(0) @binding(4) var<storage, read_write> chosen: array<f32>;         // f32[T, columns]: score of each choice
@group(0) @binding(5) var<storage, read_write> place_in_block: array<u32>; // u32[T, k]: slot of each choice

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let t = id.x;
    if (t >= dims.tokens) { return; }
    var j = 0u;
    for (var e = 0u; e < dims.experts; e++) {
        let slot = pairs[t * dims.experts + e];
        if (slot == NONE || j >= dims.choices) { continue; }
        expert_of[t * dims.choices + j] = e;
        chosen[t * dims.columns + j] = router[(dims.tokens + t) * dims.stride + e];
        place_in_block[t * dims.choices + j] = slot;
        j++;
    }
    for (; j < dims.choices; j++) {
        expert_of[t * dims.choices + j] = NONE;
        chosen[t * dims.columns + j] = 0.0;
        place_in_block[t * dims.choices + j] = 0u;
    }
}
