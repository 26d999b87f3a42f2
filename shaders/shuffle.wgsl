//! shuffle.wgsl — one all2all between the virtual devices: moves the tokens' rows to their places in another order, or back, and
//! counts each from its device to its device while it moves.
//! Twin: src/kernels/shuffle.rs   Dispatch: linear over T·d4
//! Parts: dims, linear

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> places: array<u32>;              // u32[T]: where each token stands in the other order
@group(0) @binding(2) var<storage, read> rows_from: array<vec4f>;         // f32[T, d]
@group(0) @binding(3) var<storage, read_write> rows_to: array<vec4f>;     // f32[T, d]
@group(0) @binding(4) var<storage, read_write> moved: array<atomic<u32>>; // u32[exchanges, N, N]: rows from device i to device j

override BACK: u32 = 0u;   // 1: from the other order

@compute @workgroup_size(LINEAR_WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let at = linear(id);
    if (at >= dims.tokens * dims.d4) { return; }
    let t = at / dims.d4;
    let i = at % dims.d4;
    let here = select(t, places[t], BACK == 1u);
    let there = select(places[t], t, BACK == 1u);
    rows_to[there * dims.d4 + i] = rows_from[here * dims.d4 + i];
    if (i == 0u) {
        let local = dims.tokens / dims.devices;
        atomicAdd(&moved[dims.counter_base + here / local * dims.devices + there / local], 1u);
    }
}
