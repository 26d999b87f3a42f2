//! follow.wgsl — thresholds after a batch: each moves towards the key of the last token that its expert would have taken.
//! Twin: src/kernels/follow.rs   Dispatch: (ceil(E / 64), 1, 1)
//! Parts: dims
//!
//! A running mean over batches of the mean over groups, in their order; the first batch sets it. Where the key is the threshold
//! already, it stays to the bit.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> last_keys: array<f32>;        // f32[G, E]
@group(0) @binding(2) var<storage, read_write> thresholds: array<f32>; // f32[E]

/// No batch has set the threshold yet.
const NO_THRESHOLD = -0x1.fffffep+127f;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let e = id.x;
    if (e >= dims.experts) { return; }
    var mean = 0.0;
    for (var g = 0u; g < dims.groups; g++) { mean += last_keys[g * dims.experts + e] / f32(dims.groups); }
    let before = thresholds[e];
    thresholds[e] = select(before + (1.0 - dims.decay) * (mean - before), mean, before == NO_THRESHOLD);
}
