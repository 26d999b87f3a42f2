//! noisy_logits.wgsl — adds the noise to the router's logits: h = c + width · z, or h = (c + z) / temperature. What they were
//! without it is kept.
//! Twin: src/kernels/noisy_logits.rs   Dispatch: linear over T·E
//! Parts: dims, linear, finite, noisy

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> noise: array<f32>;          // f32[T, E]: z
@group(0) @binding(2) var<storage, read_write> router: array<f32>;   // f32[2, T, stride]: [0] logits, learned widths' source
@group(0) @binding(3) var<storage, read_write> clean: array<f32>;    // f32[T, E]

@compute @workgroup_size(LINEAR_WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let at = linear(id);
    if (at >= dims.tokens * dims.experts) { return; }
    let logit = at / dims.experts * dims.stride + at % dims.experts;
    let c = finite(router[logit]);
    clean[at] = c;
    if (NOISE == 3u) {
        router[logit] = finite((c + noise[at]) / dims.temperature);
        return;
    }
    var width = dims.noise;
    if (NOISE == 1u) { width = learned_width(router[logit + dims.experts]); }
    router[logit] = finite(c + width * noise[at]);
}
