//! project_tokens.wgsl — second half of an iteration towards bounded shares: a token has at most b in all, and 1 of any expert.
//! Twin: src/kernels/project_tokens.rs   Dispatch: (ceil(T / 64), 1, 1)
//! Parts: dims
//!
//! Dykstra's algorithm: what a bound took in the iteration before is given back first. The one on all of a token's shares takes the
//! same from the logarithm of each, so that one number a token says what it took.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read_write> shares: array<f32>; // f32[2, T, stride]: [0] what the bound of 1 took, [1] ln A
@group(0) @binding(2) var<storage, read_write> taken: array<f32>;  // f32[T]: what the bound of b took

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let t = id.x;
    if (t >= dims.tokens) { return; }
    let taken_at = t * dims.stride;
    let shares_at = (dims.tokens + t) * dims.stride;
    let first = dims.iteration == 0u;
    let back = select(taken[t], 0.0, first);
    var largest = shares[shares_at];
    for (var e = 1u; e < dims.experts; e++) { largest = max(largest, shares[shares_at + e]); }
    var sum = 0.0;
    for (var e = 0u; e < dims.experts; e++) { sum += exp(shares[shares_at + e] - largest); }
    let step = min(0.0, log(f32(dims.nominees)) - (largest + back + log(sum)));
    taken[t] = -step;
    for (var e = 0u; e < dims.experts; e++) {
        let share = shares[shares_at + e] + (back + step) + select(shares[taken_at + e], 0.0, first);
        shares[shares_at + e] = min(share, 0.0);
        shares[taken_at + e] = max(share, 0.0);
    }
}
