//! choose.wgsl — the experts' turn: each one with room takes the best tokens of a group that are open to it.
//! Twin: src/kernels/choose.rs   Dispatch: (E, G, 1), indirect after the first round of those that end by themselves
//! Parts: dims, pairs, select
//!
//! One workgroup an expert and group. The larger key first, equal keys to the lower token. A round
//! after one in which nobody left finds nothing to do.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> keys: array<u32>;           // u32[T, E]
@group(0) @binding(2) var<storage, read_write> pairs: array<u32>;    // u32[T, E]: open ones become HELD
@group(0) @binding(3) var<storage, read_write> counts: array<u32>;   // u32[G, 1, E]: tokens that an expert has
@group(0) @binding(4) var<storage, read_write> progress: array<u32>; // u32[G, 4]: who left in the last even and odd round, rounds made, 0

override IMMEDIATE: u32 = 0u;   // 1: in round i only those that the token named as its i-th
override ARRIVAL: u32 = 0u;     // 1: all keys are equal

const THREADS = 64u;

var<workgroup> free: u32;                      // places left
var<workgroup> took: atomic<u32>;

var<private> first_at: u32;   // of the expert's pairs with the group's tokens

fn candidate(i: u32) -> bool {
    let pair = pairs[first_at + i * dims.experts];
    return is_open(pair) && (IMMEDIATE == 0u || pair == OPEN + dims.iteration);
}

fn key(i: u32) -> u32 { return keys[first_at + i * dims.experts]; }

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let e = group.x;
    let count = dims.group_tokens;
    let count_at = group.y * dims.experts + e;
    first_at = group.y * count * dims.experts + e;
    if (lane == 0u) {
        let progress_at = 4u * group.y;
        let settled = IMMEDIATE == 0u && dims.iteration > 0u && progress[progress_at + ((dims.iteration + 1u) & 1u)] == 0u;
        free = select(min(dims.slots, count) - counts[count_at], 0u, settled);
        atomicStore(&took, 0u);
        if (e == 0u) {
            progress[progress_at + (dims.iteration & 1u)] = 0u;
            if (!settled) { progress[progress_at + 2u] = dims.iteration + 1u; }
        }
    }
    let places = workgroupUniformLoad(&free);
    if (places == 0u) { return; }
    var splits = true;
    if (ARRIVAL == 1u) {
        if (lane == 0u) {
            threshold = key(0u);
            equals = places;
        }
        workgroupBarrier();
    } else {
        splits = select_nth(lane, count, places, false);
    }

    // of the candidates whose key is the threshold, the first `equals`: each thread looks at a span of tokens
    let span = span_of(lane, count);
    var before = 0u;
    if (splits) { before = ties_before(lane, span); }
    var taken = 0u;
    for (var i = span.x; i < span.y; i++) {
        if (!candidate(i)) { continue; }
        let k = key(i);
        if (k > threshold || (k == threshold && before < equals)) {
            let at = first_at + i * dims.experts;
            pairs[at] = pairs[at] - OPEN + HELD;
            taken++;
        }
        before += u32(k == threshold);
    }
    atomicAdd(&took, taken);
    workgroupBarrier();
    if (lane == 0u) { counts[count_at] += atomicLoad(&took); }
}
