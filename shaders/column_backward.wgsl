//! column_backward.wgsl — gradient of the logits through each expert's softmax over the tokens of a group, and of the z-loss.
//! Twin: src/kernels/column_backward.rs   Dispatch: (E, G, 1)
//! Parts: dims
//!
//! gate_backward leaves s·ds for each score s; that of the logits is s·ds − s·Σ_t s·ds, summed over the group's tokens. One
//! workgroup an expert and group; sums in the order of a fixed tree.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> router: array<f32>;         // f32[2, T, stride]: logits, scores
@group(0) @binding(2) var<storage, read> stats: array<vec4f>;        // f32[T, 4]: [0] logsumexp over the experts
@group(0) @binding(3) var<storage, read_write> d_logits: array<f32>; // f32[T, stride]: in s·ds, out the gradient

const THREADS = 64u;

var<workgroup> part: array<f32, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let e = group.x;
    let first = group.y * dims.group_tokens;
    var sum = 0.0;
    for (var i = lane; i < dims.group_tokens; i += THREADS) { sum += d_logits[(first + i) * dims.stride + e]; }
    part[lane] = sum;
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (lane < half) { part[lane] += part[lane + half]; }
    }
    let inner = workgroupUniformLoad(&part[0]);
    for (var i = lane; i < dims.group_tokens; i += THREADS) {
        let t = first + i;
        let at = t * dims.stride + e;
        let lse = stats[t].x;
        let z = dims.z * 2.0 / f32(dims.tokens) * lse * exp(router[at] - lse);
        d_logits[at] += z - router[dims.tokens * dims.stride + at] * inner;
    }
}
