//! slot_count.wgsl — place of every assignment among those of its expert in its block, and the blocks' counts.
//! Twin: src/kernels/slot_count.rs   Dispatch: (ceil(T·k / 64), 1, 1)
//! Parts: dims
//!
//! The assignments of a group in the order in which they are served are cut into blocks of BLOCK; slot_scan adds up the
//! blocks. The last one of an expert in its block writes the count, so nothing is atomic; the caller clears `counts`.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> expert_of: array<u32>;        // u32[T, k]
@group(0) @binding(2) var<storage, read_write> place_in_block: array<u32>; // u32[T, k]
@group(0) @binding(3) var<storage, read_write> counts: array<u32>;     // u32[G, blocks, E]

override BY_TOKEN: u32 = 0u;   // 1: token by token; 0: all first choices, then all second ones
override BLOCK: u32 = 128u;

/// The assignment served `p`-th in the group that begins at token `first`.
fn assignment(first: u32, p: u32) -> u32 {
    if (BY_TOKEN == 1u) { return first * dims.choices + p; }
    return (first + p % dims.group_tokens) * dims.choices + p / dims.group_tokens;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let in_group = dims.group_tokens * dims.choices;
    if (id.x >= dims.groups * in_group) { return; }
    let g = id.x / in_group;
    let p = id.x % in_group;
    let first = g * dims.group_tokens;
    let own = assignment(first, p);
    let e = expert_of[own];
    if (e >= DECLINED) { return; }
    let block = p / BLOCK;
    let end = min((block + 1u) * BLOCK, in_group);
    var before = 0u;
    for (var q = block * BLOCK; q < p; q++) { before += u32(expert_of[assignment(first, q)] == e); }
    var after = 0u;
    for (var q = p + 1u; q < end; q++) { after += u32(expert_of[assignment(first, q)] == e); }
    place_in_block[own] = before;
    if (after == 0u) { counts[(g * dims.blocks + block) * dims.experts + e] = before + 1u; }
}
