//! line_up.wgsl — slots of the tokens that each expert has: the larger key first, equal keys in the order of tokens.
//! Twin: src/kernels/line_up.rs   Dispatch: (E, G, 1)
//! Parts: dims, pairs, sort
//!
//! One workgroup an expert and group: their keys and tokens are sorted between the halves of `lines`.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> keys: array<u32>;            // u32[T, E]
@group(0) @binding(2) var<storage, read_write> pairs: array<u32>;     // u32[T, E]: in HELD or not, out slot or NONE
@group(0) @binding(3) var<storage, read_write> lines: array<vec2u>;   // u32[2, G, E, min(C, S), 2]: key, inverted, and token
@group(0) @binding(4) var<storage, read> progress: array<u32>;        // u32[G, 4]: as in choose, and how many tokens have too many experts
@group(0) @binding(5) var<storage, read_write> solver: array<vec4f>;  // f32[G, 4]: rounds made, tokens that left in the last one, tokens with too many experts, 0

override BY_ROUND: u32 = 0u;  // 1: by the rank that the token gave the expert, then by key
override ARRIVAL: u32 = 0u;   // 1: all keys are equal

var<private> expert: u32;

/// Of the key, unless these are equal, then of the rank.
fn digit(line: vec2u, pass_number: u32) -> u32 {
    let place = pass_number + select(0u, 8u, ARRIVAL == 1u);
    if (place < 8u) { return (line.x >> (4u * place)) & 15u; }
    return ((pairs[line.y * dims.experts + expert] - HELD) >> (4u * (place - 8u))) & 15u;
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let e = group.x;
    expert = e;
    let places = min(dims.slots, dims.group_tokens);
    let here = group.y * dims.experts + e;
    let part = dims.groups * dims.experts * places;
    let first = group.y * dims.group_tokens;
    let last = first + dims.group_tokens;
    let span = (dims.group_tokens + THREADS - 1u) / THREADS;
    let begin = min(first + lane * span, last);
    let end = min(begin + span, last);

    // the tokens that the expert has, in order
    var own = 0u;
    for (var t = begin; t < end; t++) { own += u32(is_held(pairs[t * dims.experts + e])); }
    let of_threads = before_and_all(lane, own);
    var next = of_threads.x;
    let all = of_threads.y;
    for (var t = begin; t < end; t++) {
        let at = t * dims.experts + e;
        if (is_held(pairs[at])) {
            lines[here * places + next] = vec2u(~keys[at], t);
            next++;
        } else {
            pairs[at] = NONE;
        }
    }
    var passes = select(8u, 0u, ARRIVAL == 1u);
    if (BY_ROUND == 1u) { passes += (35u - countLeadingZeros(dims.nominees - 1u)) / 4u; }
    let other_at = part + here * places;
    sort_lines(lane, all, here * places, other_at, passes);
    let sorted_at = select(here * places, other_at, (passes & 1u) == 1u);
    for (var i = lane; i < all; i += THREADS) { pairs[lines[sorted_at + i].y * dims.experts + e] = i; }
    if (lane == 0u && e == 0u) {
        let own = 4u * group.y;
        let rounds = progress[own + 2u];
        solver[group.y] = vec4f(f32(rounds), f32(progress[own + ((rounds + 1u) & 1u)]), f32(progress[own + 3u]), 0.0);
    }
}
