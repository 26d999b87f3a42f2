//! expert_choice.wgsl — every expert's best tokens of a group, and their slots, best first.
//! Twin: src/kernels/expert_choice.rs   Dispatch: (E, G, 1)
//! Parts: dims
//!
//! One workgroup an expert and group. Scores lie in [0, 1], so their bits order as they do; equal ones go to the lower token.
//! The bits of the last score taken are found byte by byte, by counting; then every token taken counts those before it.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> router: array<f32>;       // f32[2, T, stride]: [1] scores
@group(0) @binding(2) var<storage, read_write> taken: array<u32>;  // u32[T, E]: slot, or NONE
@group(0) @binding(3) var<storage, read_write> counts: array<u32>; // u32[G, 1, E]: tokens taken

const THREADS = 64u;

var<workgroup> histogram: array<atomic<u32>, 256>;
var<workgroup> ties_of: array<u32, THREADS>;   // tokens of a thread's span that score the threshold, then those before it
var<workgroup> threshold: u32;                 // bits of the lowest score taken
var<workgroup> wanted: u32;                    // tokens still to be taken among those that share the threshold's higher bytes

fn key(t: u32, e: u32) -> u32 { return bitcast<u32>(router[(dims.tokens + t) * dims.stride + e]); }

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let e = group.x;
    let first = group.y * dims.group_tokens;
    let last = first + dims.group_tokens;
    let count = min(dims.slots, dims.group_tokens);
    if (lane == 0u) {
        counts[group.y * dims.experts + e] = count;
        threshold = 0u;
        wanted = count;
    }
    for (var byte = 4u; byte > 0u; byte--) {
        let shift = 8u * (byte - 1u);
        for (var i = lane; i < 256u; i += THREADS) { atomicStore(&histogram[i], 0u); }
        workgroupBarrier();
        let above = threshold;
        for (var t = first + lane; t < last; t += THREADS) {
            let k = key(t, e);
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

    // of the tokens that score the threshold, the first `wanted`: each thread looks at a span of tokens
    let span = (dims.group_tokens + THREADS - 1u) / THREADS;
    let begin = min(first + lane * span, last);
    let end = min(begin + span, last);
    var ties = 0u;
    for (var t = begin; t < end; t++) { ties += u32(key(t, e) == threshold); }
    ties_of[lane] = ties;
    workgroupBarrier();
    var before = 0u;
    for (var i = 0u; i < lane; i++) { before += ties_of[i]; }
    for (var t = begin; t < end; t++) {
        let k = key(t, e);
        var slot = NONE;
        if (count > 0u && (k > threshold || (k == threshold && before < wanted))) {
            slot = 0u;
            for (var u = first; u < last; u++) {
                let other = key(u, e);
                slot += u32(other > k || (other == k && u < t));
            }
        }
        before += u32(k == threshold);
        taken[t * dims.experts + e] = slot;
    }
}
