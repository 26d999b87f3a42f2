//! noise.wgsl — a random number for every logit: standard normal, by the inverse of its distribution function.
//! Twin: src/kernels/noise.rs   Dispatch: linear over T·E
//! Parts: dims, linear, rng, normal

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read_write> noise: array<f32>; // f32[T, E]

@compute @workgroup_size(LINEAR_WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let at = linear(id);
    if (at >= dims.tokens * dims.experts) { return; }
    noise[at] = normal_quantile(open_uniform_f32(at / dims.experts, NOISE_LANE + at % dims.experts));
}
