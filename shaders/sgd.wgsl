//! sgd.wgsl — stochastic gradient descent: weights −= learning_rate · gradient.
//! Twin: src/kernels/sgd.rs   Dispatch: linear over `length`
//! Parts: dims, linear

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> gradient: array<f32>;         // f32[length]
@group(0) @binding(2) var<storage, read_write> weights: array<f32>;    // f32[length]

@compute @workgroup_size(LINEAR_WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let at = linear(id);
    if (at >= dims.length) { return; }
    weights[at] -= dims.learning_rate * gradient[at];
}
