//! admit.wgsl — which of the experts that it named each token has: those whose thresholds its keys reach.
//! Twin: src/kernels/admit.rs   Dispatch: linear over T·E
//! Parts: dims, linear, pairs

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> keys: array<u32>;                 // u32[T, E]
@group(0) @binding(2) var<storage, read> thresholds: array<f32>;           // f32[E]
@group(0) @binding(3) var<storage, read_write> pairs: array<u32>;          // u32[T, E]: open ones become HELD or NONE
@group(0) @binding(4) var<storage, read_write> counts: array<atomic<u32>>; // u32[G, 1, E]: tokens that an expert has

@compute @workgroup_size(LINEAR_WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let at = linear(id);
    if (at >= dims.tokens * dims.experts || !is_open(pairs[at])) { return; }
    let e = at % dims.experts;
    let admitted = keys[at] >= sortable(thresholds[e]);
    pairs[at] = select(NONE, pairs[at] - OPEN + HELD, admitted);
    if (admitted) { atomicAdd(&counts[at / dims.experts / dims.group_tokens * dims.experts + e], 1u); }
}
