//! others.wgsl — the logarithm of the sum of exponentials of every token's logits but that of its first choice.
//! Twin: src/kernels/others.rs   Dispatch: (ceil(T / 64), 1, 1)
//! Parts: dims

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> router: array<f32>;         // f32[2, T, stride]: [0] logits
@group(0) @binding(2) var<storage, read> expert_of: array<u32>;      // u32[T, k]
@group(0) @binding(3) var<storage, read_write> stats: array<vec4f>;  // f32[T, 4]: [3] written here, the others left alone

const LOWEST = -0x1.fffffep+127f;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let t = id.x;
    if (t >= dims.tokens) { return; }
    let first = expert_of[t * dims.choices];
    var largest = LOWEST;
    for (var e = 0u; e < dims.experts; e++) {
        if (e != first) { largest = max(largest, router[t * dims.stride + e]); }
    }
    var sum = 0.0;
    for (var e = 0u; e < dims.experts; e++) {
        if (e != first) { sum += exp(router[t * dims.stride + e] - largest); }
    }
    stats[t].w = largest + log(sum);
}
