//! auction_bounds.wgsl — the highest and the lowest score of every group, of those that are numbers.
//! Twin: src/kernels/auction_bounds.rs   Dispatch: (ceil(T / 64), 1, 1)
//! Parts: dims, pairs, auction

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> router: array<f32>;               // f32[2, T, stride]: [0] logits
@group(0) @binding(2) var<storage, read_write> bounds: array<atomic<u32>>; // u32[G, 2]: sortable bits; the lowest's inverted

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let t = id.x;
    if (t >= dims.tokens) { return; }
    var most = 0u;
    var least = 0u;
    for (var e = 0u; e < dims.experts; e++) {
        let h = router[t * dims.stride + e];
        if (!is_finite(h)) { continue; }
        let bits = sortable(clamp(h, -LARGEST, LARGEST));
        most = max(most, bits);
        least = max(least, ~bits);
    }
    let g = t / dims.group_tokens;
    atomicMax(&bounds[2u * g], most);
    atomicMax(&bounds[2u * g + 1u], least);
}
