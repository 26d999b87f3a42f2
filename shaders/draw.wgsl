//! draw.wgsl — the experts of every token at random: each set of as many as are drawn is equally likely.
//! Twin: src/kernels/draw.rs   Dispatch: (ceil(T / 64), 1, 1)
//! Parts: dims, rng
//!
//! The j-th of n is drawn from the first E − n + j + 1 experts; if it was drawn before, the last of these takes its place, which
//! could not have been (Floyd's algorithm, in Bentley 1987, "A Sample of Brilliance").

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> draws: array<u32>;           // u32[T]: the draw that a token takes part in
@group(0) @binding(2) var<storage, read> router: array<f32>;          // f32[2, T, stride]: [0] the logit of the shared gate
@group(0) @binding(3) var<storage, read_write> expert_of: array<u32>; // u32[T, k]: those drawn, then none
@group(0) @binding(4) var<storage, read_write> chosen: array<f32>;    // f32[T, columns]: one over their number, then the shared gate
@group(0) @binding(5) var<storage, read_write> stats: array<vec4f>;   // f32[T, 4]: 0, since nothing is scored

override SHARED_GATE: u32 = 0u; // as in route

/// Bit e: expert e was drawn.
var<private> drawn: array<u32, 32>;

/// The `j`-th of the `n` experts of a draw.
fn draw_one(draw: u32, j: u32, n: u32) -> u32 {
    let last = dims.experts - n + j;
    var e = hash_u32(draw, THOR_LANE + j) % (last + 1u);
    if (((drawn[e / 32u] >> (e % 32u)) & 1u) == 1u) { e = last; }
    drawn[e / 32u] |= 1u << (e % 32u);
    return e;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let t = id.x;
    if (t >= dims.tokens) { return; }
    stats[t] = vec4f();
    for (var i = 0u; i < 32u; i++) { drawn[i] = 0u; }
    let n = dims.nominees;
    for (var j = 0u; j < dims.choices; j++) {
        var e = NONE;
        if (j < n) { e = draw_one(draws[t], j, n); }
        expert_of[t * dims.choices + j] = e;
        chosen[t * dims.columns + j] = select(0.0, 1.0 / f32(n), j < n);
    }
    var gate = 1.0;
    if (SHARED_GATE == 1u) { gate = 1.0 / (1.0 + exp(-router[t * dims.stride + dims.gate_at])); }
    for (var j = dims.choices; j < dims.columns; j++) { chosen[t * dims.columns + j] = gate; }
}
