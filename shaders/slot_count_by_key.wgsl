//! slot_count_by_key.wgsl — as slot_count.wgsl where assignments are not served by arrival: place of every assignment among
//! those of its expert in its group, by comparing keys. A group is one block.
//! Twin: src/kernels/slot_count_by_key.rs   Dispatch: (ceil(S·k / 64), G, 1)
//! Parts: dims, rng
//!
//! Every invocation has one assignment and compares it with all of its group, which pass by in tiles of 64: their keys are
//! computed once a tile, and read from workgroup memory.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> expert_of: array<u32>;        // u32[T, k]
@group(0) @binding(2) var<storage, read> chosen: array<f32>;           // f32[T, columns]
@group(0) @binding(3) var<storage, read> stats: array<vec4f>;          // f32[T, 4]: [1] best score
@group(0) @binding(4) var<storage, read_write> place_in_block: array<u32>; // u32[T, k]
@group(0) @binding(5) var<storage, read_write> counts: array<u32>;     // u32[G, 1, E]

override PRIORITY: u32 = 1u;   // 1 batch: larger best score first; 2 weight: larger weight first; 3 random order of tokens
override BY_TOKEN: u32 = 0u;   // 1: token by token; 0: all first choices, then all second ones
override PRE_DROP: u32 = 0u;   // 1: weights are divided by their sum before drops

const TILE = 64u;

var<workgroup> expert_in_tile: array<u32, TILE>;   // or NONE, past the group's end
var<workgroup> key_in_tile: array<u32, TILE>;
var<workgroup> rank_in_tile: array<u32, TILE>;

/// Smaller is served first. The numbers are not negative, so their bits order as they do.
fn key(t: u32, j: u32) -> u32 {
    if (PRIORITY == 3u) { return hash_u32(t, PRIORITY_LANE); }
    if (PRIORITY == 1u) { return ~bitcast<u32>(stats[t].y); }
    var sum = 1.0;
    if (PRE_DROP == 1u) {
        sum = 0.0;
        for (var i = 0u; i < dims.choices; i++) { sum += chosen[t * dims.columns + i]; }
    }
    return ~bitcast<u32>(select(0.0, chosen[t * dims.columns + j] / sum, sum > 0.0));
}

/// What comes before the key: the number of the choice, unless that does not count.
fn rank(j: u32) -> u32 { return select(j, 0u, PRIORITY == 2u || BY_TOKEN == 1u); }

@compute @workgroup_size(TILE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let in_group = dims.group_tokens * dims.choices;
    let first = group.y * in_group;
    let own = group.x * TILE + lane;
    var own_expert = NONE;
    var own_key = 0u;
    var own_rank = 0u;
    if (own < in_group) {
        own_expert = expert_of[first + own];
        own_key = key((first + own) / dims.choices, own % dims.choices);
        own_rank = rank(own % dims.choices);
    }
    var before = 0u;
    var all = 0u;
    for (var base = 0u; base < in_group; base += TILE) {
        let other = base + lane;
        var expert = NONE;
        if (other < in_group) {
            expert = expert_of[first + other];
            key_in_tile[lane] = key((first + other) / dims.choices, other % dims.choices);
            rank_in_tile[lane] = rank(other % dims.choices);
        }
        expert_in_tile[lane] = expert;
        workgroupBarrier();
        for (var i = 0u; i < TILE; i++) {
            if (expert_in_tile[i] != own_expert) { continue; }
            // a token chooses an expert once, so of equal keys the earlier assignment is the lower token's
            let same_rank = rank_in_tile[i] == own_rank;
            let lower = key_in_tile[i] < own_key || (key_in_tile[i] == own_key && base + i < own);
            before += u32(rank_in_tile[i] < own_rank || (same_rank && lower));
            all++;
        }
        workgroupBarrier();
    }
    if (own_expert >= DECLINED) { return; }
    place_in_block[first + own] = before;
    if (before + 1u == all) { counts[group.y * dims.experts + own_expert] = all; }
}
