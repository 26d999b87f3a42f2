//! slot_count_by_key.wgsl — as slot_count.wgsl where assignments are not served by arrival: place of every assignment among
//! those of its expert in its group, by comparing keys. A group is one block.
//! Twin: src/kernels/slot_count_by_key.rs   Dispatch: (ceil(T·k / 64), 1, 1)
//! Parts: dims, rng

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> expert_of: array<u32>;        // u32[T, k]
@group(0) @binding(2) var<storage, read> chosen: array<f32>;           // f32[T, columns]
@group(0) @binding(3) var<storage, read> stats: array<vec4f>;          // f32[T, 4]: [1] best score
@group(0) @binding(4) var<storage, read_write> place_in_block: array<u32>; // u32[T, k]
@group(0) @binding(5) var<storage, read_write> counts: array<u32>;     // u32[G, 1, E]

override PRIORITY: u32 = 1u;   // 1 batch: larger best score first; 2 weight: larger weight first; 3 random order of tokens
override BY_TOKEN: u32 = 0u;   // 1: token by token; 0: all first choices, then all second ones
override PRE_DROP: u32 = 0u;   // 1: weights are divided by their sum before drops

/// Larger is served first; for PRIORITY 3 compare as u32 instead, smaller first.
fn float_key(t: u32, j: u32) -> f32 {
    if (PRIORITY == 1u) { return stats[t].y; }
    var sum = 1.0;
    if (PRE_DROP == 1u) {
        sum = 0.0;
        for (var i = 0u; i < dims.choices; i++) { sum += chosen[t * dims.columns + i]; }
    }
    return select(0.0, chosen[t * dims.columns + j] / sum, sum > 0.0);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if (id.x >= dims.tokens * dims.choices) { return; }
    let t = id.x / dims.choices;
    let j = id.x % dims.choices;
    let g = t / dims.group_tokens;
    let e = expert_of[id.x];
    if (e >= DECLINED) { return; }
    var own = 0.0;
    var own_random = 0u;
    if (PRIORITY == 3u) { own_random = hash_u32(t, PRIORITY_LANE); } else { own = float_key(t, j); }
    var before = 0u;
    var after = 0u;
    for (var u = g * dims.group_tokens; u < (g + 1u) * dims.group_tokens; u++) {
        for (var i = 0u; i < dims.choices; i++) {
            if (expert_of[u * dims.choices + i] != e || (u == t && i == j)) { continue; }
            // a token chooses an expert once, so u != t from here on
            var first: bool;
            var same: bool;
            if (PRIORITY == 3u) {
                let other = hash_u32(u, PRIORITY_LANE);
                first = other < own_random;
                same = other == own_random;
            } else {
                let other = float_key(u, i);
                first = other > own;
                same = other == own;
            }
            first = first || (same && u < t);
            if (PRIORITY != 2u && BY_TOKEN == 0u && i != j) { first = i < j; }
            if (first) { before++; } else { after++; }
        }
    }
    place_in_block[id.x] = before;
    if (after == 0u) { counts[g * dims.experts + e] = before + 1u; }
}
