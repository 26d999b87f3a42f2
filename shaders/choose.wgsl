//! choose.wgsl — the experts' turn: each one with room takes the best tokens of a group that are open to it.
//! Twin: src/kernels/choose.rs   Dispatch: (E, G, 1)
//! Parts: dims, pairs
//!
//! One workgroup an expert and group. The larger key first, equal keys to the lower token. The key of the last token taken is
//! found byte by byte, by counting. A round after one in which nobody left finds nothing to do.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> keys: array<u32>;           // u32[T, E]
@group(0) @binding(2) var<storage, read_write> pairs: array<u32>;    // u32[T, E]: open ones become HELD
@group(0) @binding(3) var<storage, read_write> counts: array<u32>;   // u32[G, 1, E]: tokens that an expert has
@group(0) @binding(4) var<storage, read_write> progress: array<u32>; // u32[G, 4]: who left in the last even and odd round, rounds made, 0

override IMMEDIATE: u32 = 0u;   // 1: in round i only those that the token named as its i-th

const THREADS = 256u;

var<workgroup> histogram: array<atomic<u32>, 256>;
var<workgroup> ties_of: array<u32, THREADS>;   // candidates of a thread's span whose key is the threshold
var<workgroup> free: u32;                      // places left
var<workgroup> threshold: u32;                 // lowest key taken
var<workgroup> wanted: u32;                    // tokens still to be taken among those that share the threshold's higher bytes
var<workgroup> took: atomic<u32>;

fn candidate(at: u32) -> bool {
    let pair = pairs[at];
    return is_open(pair) && (IMMEDIATE == 0u || pair == OPEN + dims.iteration);
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let e = group.x;
    let first = group.y * dims.group_tokens;
    let last = first + dims.group_tokens;
    let count_at = group.y * dims.experts + e;
    if (lane == 0u) {
        let progress_at = 4u * group.y;
        let settled = IMMEDIATE == 0u && dims.iteration > 0u && progress[progress_at + ((dims.iteration + 1u) & 1u)] == 0u;
        free = select(min(dims.slots, dims.group_tokens) - counts[count_at], 0u, settled);
        threshold = 0u;
        wanted = free;
        atomicStore(&took, 0u);
        if (e == 0u) {
            progress[progress_at + (dims.iteration & 1u)] = 0u;
            if (!settled) { progress[progress_at + 2u] = dims.iteration + 1u; }
        }
    }
    if (workgroupUniformLoad(&free) == 0u) { return; }
    for (var byte = 4u; byte > 0u; byte--) {
        let shift = 8u * (byte - 1u);
        atomicStore(&histogram[lane], 0u);
        workgroupBarrier();
        let above = threshold;
        for (var t = first + lane; t < last; t += THREADS) {
            let at = t * dims.experts + e;
            if (!candidate(at)) { continue; }
            let k = keys[at];
            // the bytes above this one are the threshold's, of which there are none at first
            if (byte == 4u || ((k ^ above) >> (shift + 8u)) == 0u) { atomicAdd(&histogram[(k >> shift) & 255u], 1u); }
        }
        workgroupBarrier();
        if (lane == 0u) {
            var left = wanted;
            var value = 255u;
            while (value > 0u && atomicLoad(&histogram[value]) < left) {
                left -= atomicLoad(&histogram[value]);
                value--;
            }
            wanted = left;
            threshold |= value << shift;
        }
        workgroupBarrier();
    }

    // of the candidates whose key is the threshold, the first `wanted`: each thread looks at a span of tokens
    let span = (dims.group_tokens + THREADS - 1u) / THREADS;
    let begin = min(first + lane * span, last);
    let end = min(begin + span, last);
    var ties = 0u;
    for (var t = begin; t < end; t++) {
        let at = t * dims.experts + e;
        ties += u32(candidate(at) && keys[at] == threshold);
    }
    ties_of[lane] = ties;
    workgroupBarrier();
    var before = 0u;
    for (var i = 0u; i < lane; i++) { before += ties_of[i]; }
    var taken = 0u;
    for (var t = begin; t < end; t++) {
        let at = t * dims.experts + e;
        if (!candidate(at)) { continue; }
        let k = keys[at];
        if (k > threshold || (k == threshold && before < wanted)) {
            pairs[at] = pairs[at] - OPEN + HELD;
            taken++;
        }
        before += u32(k == threshold);
    }
    atomicAdd(&took, taken);
    workgroupBarrier();
    if (lane == 0u) { counts[count_at] += atomicLoad(&took); }
}
