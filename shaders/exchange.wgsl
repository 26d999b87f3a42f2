//! exchange.wgsl — one all2all between the virtual devices: moves rows between the tokens' home buffers and the experts'
//! buffers, and counts each routed row from its device to its device while it moves.
//! Twin: src/kernels/exchange.rs   Dispatch: (ceil(T·columns / 64), ceil(d4 / SPAN), 1)
//! Parts: dims
//!
//! A row has the same number on both sides. Rows of the shared expert never leave their device and are not counted.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> placement: array<vec2u>;     // u32[T, columns, 2]
@group(0) @binding(2) var<storage, read> expert_of: array<u32>;       // u32[T, k]
@group(0) @binding(3) var<storage, read> rows_from: array<vec4f>;     // f32[T | rows, d]
@group(0) @binding(4) var<storage, read_write> rows_to: array<vec4f>; // f32[rows, d]
@group(0) @binding(5) var<storage, read_write> moved: array<atomic<u32>>; // u32[exchanges, N, N]: rows from device i to device j

override TO_EXPERTS: u32 = 1u;  // 1: home → expert; 0: expert → home
override PER_TOKEN: u32 = 1u;   // 1: `rows_from` has one row a token, which goes to each of its experts; 0: one an assignment

const SPAN = 16u;   // vec4s of a row that one invocation moves

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let at = id.x;
    if (at >= dims.tokens * dims.columns) { return; }
    let row = placement[at].y;
    if (row == DROPPED) { return; }
    let t = at / dims.columns;
    let j = at % dims.columns;
    let source = select(row, t, PER_TOKEN == 1u);
    let begin = id.y * SPAN;
    for (var i = begin; i < min(begin + SPAN, dims.d4); i++) { rows_to[row * dims.d4 + i] = rows_from[source * dims.d4 + i]; }
    if (id.y == 0u && j < dims.choices) {
        // mixtures come after the tokens, which then stay
        let routed = select(dims.tokens, dims.groups * dims.mixtures, dims.mixtures > 0u);
        let home = (t - (dims.tokens - routed)) / (routed / dims.devices);
        let away = expert_of[t * dims.choices + j] / (dims.experts / dims.devices);
        let pair = select(away * dims.devices + home, home * dims.devices + away, TO_EXPERTS == 1u);
        atomicAdd(&moved[dims.counter_base + pair], 1u);
    }
}
