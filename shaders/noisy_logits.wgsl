//! noisy_logits.wgsl — adds the noise to the router's logits: h = c + width · z, or h = (c + z) / temperature. What they were
//! without it is kept.
//! Twin: src/kernels/noisy_logits.rs   Dispatch: linear over T·(E + branches)
//! Parts: dims, linear, finite, noisy

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> noise: array<f32>;          // f32[T, E + branches]: z
@group(0) @binding(2) var<storage, read_write> router: array<f32>;   // f32[2, T, stride]: [0] logits, learned widths' source
@group(0) @binding(3) var<storage, read_write> clean: array<f32>;    // f32[T, E + branches]

@compute @workgroup_size(LINEAR_WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let at = linear(id);
    let logits = dims.logits;
    if (at >= dims.tokens * logits) { return; }
    let logit = at / logits * dims.stride + at % logits;
    let c = finite(router[logit]);
    clean[at] = c;
    if (NOISE == 3u) {
        router[logit] = finite((c + noise[at]) / dims.temperature);
        return;
    }
    var width = dims.noise;
    if (NOISE == 1u) { width = learned_width(router[logit + logits]); }
    router[logit] = finite(c + width * noise[at]);
}
