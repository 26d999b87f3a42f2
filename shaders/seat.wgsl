//! seat.wgsl — slot and row of what is not a choice: each mixture has one of its expert, each token those of the shared expert.
//! Twin: src/kernels/seat.rs   Dispatch: (ceil((T + G·M) / 64), 1, 1)
//! Parts: dims
//!
//! Mixture m of a group is that of slot m % slots of expert m / slots.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> starts: array<u32>;            // u32[G, E] row of slot 0, then u32[units]
@group(0) @binding(2) var<storage, read_write> expert_of: array<u32>;   // u32[T + G·M, 1]
@group(0) @binding(3) var<storage, read_write> placement: array<vec2u>; // u32[T + G·M, columns, 2]: slot and row, or DROPPED
@group(0) @binding(4) var<storage, read_write> weight: array<f32>;      // f32[T + G·M, columns]: 1 for mixtures; the gates of tokens stay
@group(0) @binding(5) var<storage, read_write> held: array<u32>;        // u32[rows]: (token or mixture) · columns + column

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let at = id.x;
    if (at >= dims.tokens + dims.groups * dims.mixtures) { return; }
    let own = at * dims.columns;
    let n = at - dims.tokens;
    let m = n % dims.mixtures;
    let mixes = at >= dims.tokens && m < dims.experts * dims.slots;
    expert_of[at] = NONE;
    placement[own] = vec2u(DROPPED, DROPPED);
    weight[own] = 0.0;
    if (mixes) {
        let e = m / dims.slots;
        let slot = m % dims.slots;
        let row = starts[n / dims.mixtures * dims.experts + e] + slot;
        expert_of[at] = e;
        placement[own] = vec2u(slot, row);
        weight[own] = 1.0;
        held[row] = own;
    }
    for (var j = 1u; j < dims.columns; j++) {
        if (at < dims.tokens) {
            let row = starts[dims.groups * dims.experts + j - 1u] + at;
            placement[own + j] = vec2u(at, row);
            held[row] = own + j;
        } else {
            placement[own + j] = vec2u(DROPPED, DROPPED);
            weight[own + j] = 0.0;
        }
    }
}
