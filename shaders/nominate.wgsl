//! nominate.wgsl — which experts each token names, and the keys by which experts rank tokens.
//! Twin: src/kernels/nominate.rs   Dispatch: linear over T·E
//! Parts: dims, linear, pairs
//!
//! A token ranks experts by its logits, equal ones by number, and names its first `nominees` of those that score `threshold`.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> router: array<vec4f>;    // f32[2, T, stride]: logits, scores
@group(0) @binding(2) var<storage, read> counts: array<u32>;      // u32[G, 1, E]: tokens that an expert has, read if KEY is 3
@group(0) @binding(3) var<storage, read_write> pairs: array<u32>; // u32[T, E]: OPEN + rank, or NONE
@group(0) @binding(4) var<storage, read_write> keys: array<u32>;  // u32[T, E]
@group(0) @binding(5) var<storage, read_write> moved: array<atomic<u32>>; // u32[exchanges, N, N]: nominations from device i to device j

override KEY: u32 = 0u;     // 0 score, 1 logit, 2 score less the best other, 3 the same of others with room, 4 arrival
override RANKED: u32 = 0u;  // 0: every expert is named, all as the first
override COUNTED: u32 = 0u; // 1: nominations are counted, from the token's device to the expert's
override AGAIN: u32 = 0u;   // keys anew: 1 of all pairs, 2 of those that are open; the pairs stay as they are

/// Which of four experts have room, those that there are.
fn has_room(counts_at: u32, experts: vec4u) -> vec4<bool> {
    let at = counts_at + min(experts, vec4u(dims.experts - 1u));
    return vec4u(counts[at.x], counts[at.y], counts[at.z], counts[at.w]) < vec4u(dims.slots);
}

@compute @workgroup_size(LINEAR_WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let at = linear(id);
    if (at >= dims.tokens * dims.experts) { return; }
    if (AGAIN == 2u && !is_open(pairs[at])) { return; }
    let t = at / dims.experts;
    let e = at % dims.experts;
    let stride = dims.stride / 4u;
    let logits_at = t * stride;
    let scores_at = (dims.tokens + t) * stride;
    let counts_at = t / dims.group_tokens * dims.experts;
    let logit = router[logits_at + e / 4u][e % 4u];
    let score = router[scores_at + e / 4u][e % 4u];
    var rank = 0u;
    if (RANKED == 1u) {
        // beyond those that are named it does not matter
        for (var o = vec4u(0u, 1u, 2u, 3u); o.x < dims.experts && rank < dims.nominees; o += 4u) {
            let h = router[logits_at + o.x / 4u];
            let before = (h > vec4f(logit)) | ((h == vec4f(logit)) & (o < vec4u(e)));
            let ahead = vec4u(before & (o < vec4u(dims.experts)));
            rank += ahead.x + ahead.y + ahead.z + ahead.w;
        }
    }
    var other = 0.0;
    if (KEY == 2u || KEY == 3u) {
        var best = vec4f();
        for (var o = vec4u(0u, 1u, 2u, 3u); o.x < dims.experts; o += 4u) {
            var counted = (o < vec4u(dims.experts)) & (o != vec4u(e));
            if (KEY == 3u) { counted &= has_room(counts_at, o); }
            best = max(best, select(vec4f(), router[scores_at + o.x / 4u], counted));
        }
        other = max(max(best.x, best.y), max(best.z, best.w));
    }
    var key = score;
    if (KEY == 1u) { key = logit; }
    if (KEY == 2u || KEY == 3u) { key = score - other; }
    if (KEY == 4u) { key = 0.0; }   // equal keys go to the lower token
    keys[at] = sortable(key);
    if (AGAIN != 0u) { return; }
    let named = (RANKED == 0u || rank < dims.nominees) && score >= dims.threshold;
    pairs[at] = select(NONE, OPEN + select(0u, rank, RANKED == 1u), named);
    if (COUNTED == 1u && named) {
        let home = t / (dims.tokens / dims.devices);
        let away = e / (dims.experts / dims.devices);
        atomicAdd(&moved[dims.counter_base + home * dims.devices + away], 1u);
    }
}
