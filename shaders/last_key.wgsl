//! last_key.wgsl — the key of the last token that each expert would take of a group, if it took its quota of those that named it.
//! Twin: src/kernels/last_key.rs   Dispatch: (E, G, 1)
//! Parts: dims, pairs, select
//!
//! One workgroup an expert and group. Where fewer named it, the least key of all tokens: one that nobody falls short of.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> keys: array<u32>;            // u32[T, E]
@group(0) @binding(2) var<storage, read> pairs: array<u32>;           // u32[T, E]: open where the token named the expert
@group(0) @binding(3) var<storage, read_write> last_keys: array<f32>; // f32[G, E]

const THREADS = 64u;

var<workgroup> named: atomic<u32>;   // tokens that named the expert
var<workgroup> least: atomic<u32>;   // of all keys

var<private> first_at: u32;   // of the expert's pairs with the group's tokens

fn candidate(i: u32) -> bool { return is_open(pairs[first_at + i * dims.experts]); }

fn key(i: u32) -> u32 { return keys[first_at + i * dims.experts]; }

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let count = dims.group_tokens;
    first_at = group.y * count * dims.experts + group.x;
    if (lane == 0u) {
        atomicStore(&named, 0u);
        atomicStore(&least, 0xffffffffu);
    }
    workgroupBarrier();
    for (var i = lane; i < count; i += THREADS) {
        atomicMin(&least, key(i));
        if (candidate(i)) { atomicAdd(&named, 1u); }
    }
    workgroupBarrier();
    _ = select_nth(lane, count, dims.quota, true);
    if (lane == 0u) {
        let last = select(atomicLoad(&least), threshold, atomicLoad(&named) >= dims.quota);
        last_keys[group.y * dims.experts + group.x] = value_of(last);
    }
}
