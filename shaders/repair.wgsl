//! repair.wgsl — one more token for the first expert of a group that is left short, by a shortest chain of exchanges: it takes a
//! token from another expert, which takes one instead, and so on until a token that has room.
//! Twin: src/kernels/repair.rs   Dispatch: (G, 1, 1)
//! Parts: dims, pairs
//!
//! One workgroup a group: a search in breadth over experts. Larger keys are tried first, equal ones by token, then by expert. An
//! expert's turn is a few passes over the tokens, which all invocations share.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> keys: array<u32>;           // u32[T, E]
@group(0) @binding(2) var<storage, read_write> pairs: array<u32>;    // u32[T, E]
@group(0) @binding(3) var<storage, read_write> counts: array<u32>;   // u32[G, 1, E]: tokens that an expert has
@group(0) @binding(4) var<storage, read_write> reached: array<u32>;  // u32[T]: ROOM, FULL, or the expert that reached for the token

const THREADS = 64u;
const MOST_EXPERTS = 1024u;
const ROOM = 0xfffffffeu;     // nobody reached for the token, and it may have another expert
const FULL = 0xffffffffu;     // nobody did, and it may not
const QUEUED = 0xffffffffu;   // in best_key: the expert was reached before; no key of a score is as large

var<workgroup> queue: array<u32, MOST_EXPERTS>;              // experts in the order in which they were reached
var<workgroup> gives_up: array<atomic<u32>, MOST_EXPERTS>;   // the token that each of them would give up, or NONE
var<workgroup> best_key: array<atomic<u32>, MOST_EXPERTS>;   // of the tokens that an expert could give up for the one whose turn it is
var<workgroup> top_key: atomic<u32>;
var<workgroup> top_token: atomic<u32>;
var<workgroup> short: u32;   // the expert that is left short, or E
var<workgroup> tail: u32;    // end of the queue
var<workgroup> last: u32;    // a token with room, or NONE

fn has(t: u32, e: u32) -> bool { return is_held(pairs[t * dims.experts + e]); }

/// Whether expert `a` was reached in this turn.
fn is_new(a: u32) -> bool { return atomicLoad(&best_key[a]) != QUEUED && atomicLoad(&gives_up[a]) != NONE; }

/// Whether `a` joins the queue before `b`: by the keys of what they give up, then by token, then by expert.
fn ahead(a: u32, b: u32) -> bool {
    let key_a = atomicLoad(&best_key[a]);
    let key_b = atomicLoad(&best_key[b]);
    if (key_a != key_b) { return key_a > key_b; }
    let token_a = atomicLoad(&gives_up[a]);
    let token_b = atomicLoad(&gives_up[b]);
    if (token_a != token_b) { return token_a < token_b; }
    return a < b;
}

/// Follows the chain back from the token with room to the expert that was short.
fn exchange() {
    var t = last;
    loop {
        let e = reached[t];
        pairs[t * dims.experts + e] = HELD;
        if (e == short) { break; }
        t = atomicLoad(&gives_up[e]);
        pairs[t * dims.experts + e] = NONE;
    }
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let counts_at = group.x * dims.experts;
    let first = group.x * dims.group_tokens + lane;
    let end = (group.x + 1u) * dims.group_tokens;
    if (lane == 0u) {
        var e = 0u;
        while (e < dims.experts && counts[counts_at + e] >= min(dims.slots, dims.group_tokens)) { e++; }
        short = e;
        queue[0] = e;
        tail = 1u;
    }
    let needy = workgroupUniformLoad(&short);
    if (needy == dims.experts) { return; }
    for (var e = lane; e < dims.experts; e += THREADS) { atomicStore(&gives_up[e], NONE); }
    for (var t = first; t < end; t += THREADS) {
        var held = 0u;
        for (var e = 0u; e < dims.experts; e++) { held += u32(has(t, e)); }
        reached[t] = select(FULL, ROOM, held < dims.choices);
    }
    for (var head = 0u; ; head++) {
        if (head >= workgroupUniformLoad(&tail)) { return; }
        let x = queue[head];

        // the best token with room
        if (lane == 0u) {
            atomicStore(&top_key, 0u);
            atomicStore(&top_token, NONE);
        }
        workgroupBarrier();
        for (var t = first; t < end; t += THREADS) {
            if (reached[t] == ROOM && !has(t, x)) { atomicMax(&top_key, keys[t * dims.experts + x]); }
        }
        workgroupBarrier();
        for (var t = first; t < end; t += THREADS) {
            if (reached[t] == ROOM && !has(t, x) && keys[t * dims.experts + x] == atomicLoad(&top_key)) { atomicMin(&top_token, t); }
        }
        workgroupBarrier();
        if (lane == 0u) { last = atomicLoad(&top_token); }
        if (workgroupUniformLoad(&last) != NONE) {
            if (lane == 0u) {
                reached[last] = x;
                exchange();
                counts[counts_at + needy]++;
            }
            return;
        }

        // else all others are reached, and those who have them may give them up
        for (var e = lane; e < dims.experts; e += THREADS) {
            atomicStore(&best_key[e], select(QUEUED, 0u, e != needy && atomicLoad(&gives_up[e]) == NONE));
        }
        for (var t = first; t < end; t += THREADS) {
            if (reached[t] == FULL && !has(t, x)) { reached[t] = x; }
        }
        storageBarrier();
        workgroupBarrier();
        for (var t = first; t < end; t += THREADS) {
            if (reached[t] != x) { continue; }
            for (var e = 0u; e < dims.experts; e++) {
                if (has(t, e)) { atomicMax(&best_key[e], keys[t * dims.experts + x]); }
            }
        }
        workgroupBarrier();
        for (var t = first; t < end; t += THREADS) {
            if (reached[t] != x) { continue; }
            for (var e = 0u; e < dims.experts; e++) {
                if (has(t, e) && atomicLoad(&best_key[e]) == keys[t * dims.experts + x]) { atomicMin(&gives_up[e], t); }
            }
        }
        workgroupBarrier();
        let joined_at = tail;
        var joined = 0u;
        for (var e = 0u; e < dims.experts; e++) { joined += u32(is_new(e)); }
        for (var e = lane; e < dims.experts; e += THREADS) {
            if (!is_new(e)) { continue; }
            var before = 0u;
            for (var o = 0u; o < dims.experts; o++) { before += u32(is_new(o) && ahead(o, e)); }
            queue[joined_at + before] = e;
        }
        workgroupBarrier();
        if (lane == 0u) { tail = joined_at + joined; }
    }
}
