//! noise.wgsl — a random number for every logit, by the inverse of its distribution function: standard normal, or Gumbel.
//! Twin: src/kernels/noise.rs   Dispatch: linear over T·(E + branches)
//! Parts: dims, linear, rng, normal, gumbel

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read_write> noise: array<f32>; // f32[T, E + branches]

override GUMBEL: u32 = 0u;   // 1: Gumbel

@compute @workgroup_size(LINEAR_WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let at = linear(id);
    if (at >= dims.tokens * dims.logits) { return; }
    let token = at / dims.logits;
    let lane = NOISE_LANE + at % dims.logits;
    if (GUMBEL == 1u) { noise[at] = gumbel(token, lane); } else { noise[at] = normal_quantile(open_uniform_f32(token, lane)); }
}
