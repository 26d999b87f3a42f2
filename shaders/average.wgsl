//! average.wgsl — adds new pulls and their rewards to what is known of the arms.
//! Twin: src/kernels/average.rs   Dispatch: linear over dims.length
//! Parts: dims, linear

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> earned: array<f32>;     // f32[2, length]: new pulls, sums of their rewards
@group(0) @binding(2) var<storage, read_write> arms: array<f32>; // f32[2, length]: pulls, mean rewards

@compute @workgroup_size(LINEAR_WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let arm = linear(id);
    if (arm >= dims.length) { return; }
    let pulls = earned[arm];
    if (pulls == 0.0) { return; }
    let all = arms[arm] + pulls;
    let mean = arms[dims.length + arm];
    arms[arm] = all;
    arms[dims.length + arm] = mean + (earned[dims.length + arm] - pulls * mean) / all;
}
