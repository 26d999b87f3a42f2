//! slot_count_by_key.wgsl — as slot_count.wgsl where assignments are not served by arrival: place of every assignment among
//! those of its expert in its group, in the order of keys. A group is one block.
//! Twin: src/kernels/slot_count_by_key.rs   Dispatch: (E, G, 1)
//! Parts: dims, rng, sort
//!
//! One workgroup an expert and group. Assignments are sorted as numbers, whose keys are computed wherever they are wanted.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> expert_of: array<u32>;        // u32[T, k]
@group(0) @binding(2) var<storage, read> chosen: array<f32>;           // f32[T, columns]
@group(0) @binding(3) var<storage, read> stats: array<vec4f>;          // f32[T, 4]: [1] best score
@group(0) @binding(4) var<storage, read_write> place_in_block: array<u32>; // u32[T, k]
@group(0) @binding(5) var<storage, read_write> counts: array<u32>;     // u32[G, 1, E]
@group(0) @binding(6) var<storage, read_write> lines: array<u32>;      // u32[2, T·k]: assignments by group and expert, scratch

override PRIORITY: u32 = 1u;   // 1 batch: larger best score first; 2 weight: larger weight first; 3 random order of tokens
override BY_TOKEN: u32 = 0u;   // 1: token by token; 0: all first choices, then all second ones
override PRE_DROP: u32 = 0u;   // 1: weights are divided by their sum before drops

var<workgroup> of_lower: atomic<u32>;   // assignments of the group to lower experts

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

/// Of the key, then of the number of the choice.
fn digit(line: u32, pass_number: u32) -> u32 {
    let j = line % dims.choices;
    if (pass_number < 8u) { return (key(line / dims.choices, j) >> (4u * pass_number)) & 15u; }
    return (j >> (4u * (pass_number - 8u))) & 15u;
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let e = group.x;
    let in_group = dims.group_tokens * dims.choices;
    let first = group.y * in_group;
    let span = (in_group + THREADS - 1u) / THREADS;
    let begin = first + min(lane * span, in_group);
    let end = first + min((lane + 1u) * span, in_group);
    if (lane == 0u) { atomicStore(&of_lower, 0u); }
    workgroupBarrier();

    // the expert's assignments, in order
    var own = 0u;
    var lower = 0u;
    for (var a = begin; a < end; a++) {
        own += u32(expert_of[a] == e);
        lower += u32(expert_of[a] < e);
    }
    atomicAdd(&of_lower, lower);
    let of_threads = before_and_all(lane, own);
    let all = of_threads.y;
    let here = first + atomicLoad(&of_lower);
    var next = here + of_threads.x;
    for (var a = begin; a < end; a++) {
        if (expert_of[a] == e) {
            lines[next] = a;
            next++;
        }
    }

    // choices count unless they are served by weight, or token by token
    var passes = 8u;
    if (PRIORITY != 2u && BY_TOKEN == 0u) { passes += (35u - countLeadingZeros(dims.choices - 1u)) / 4u; }
    let there = dims.groups * in_group + here;
    sort_lines(lane, all, here, there, passes);
    let sorted_at = select(here, there, (passes & 1u) == 1u);
    for (var i = lane; i < all; i += THREADS) { place_in_block[lines[sorted_at + i]] = i; }
    if (lane == 0u) { counts[group.y * dims.experts + e] = all; }
}
