//! loss_sums.wgsl — what every expert is to the tokens of every group, summed over them in order.
//! Twin: src/kernels/loss_sums.rs   Dispatch: (ceil(G·E / 64), 1, 1)
//! Parts: dims

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> router: array<f32>;      // f32[2, T, stride]: logits, scores
@group(0) @binding(2) var<storage, read> stats: array<vec4f>;     // f32[T, 4]: [2] sum of scores, [3] logsumexp without the first choice
@group(0) @binding(3) var<storage, read> expert_of: array<u32>;   // u32[T, k]
@group(0) @binding(4) var<storage, read_write> sums: array<vec4f>; // f32[G, E, 4]: Σ_t q_te, first choices, one of every prototype, Σ_t q2_te, second choices; as in losses

override SECOND: u32 = 0u;   // 1: the last two as well, else 0

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if (id.x >= dims.groups * dims.experts) { return; }
    let g = id.x / dims.experts;
    let e = id.x % dims.experts;
    var importance = 0.0;
    var firsts = 0.0;
    var rest = 0.0;
    var seconds = 0.0;
    for (var t = g * dims.group_tokens; t < (g + 1u) * dims.group_tokens; t++) {
        let total = stats[t].z;
        if (total > 0.0) { importance += router[(dims.tokens + t) * dims.stride + e] / total; }
        for (var j = 0u; j < dims.prototypes; j++) { firsts += select(0.0, 1.0, expert_of[t * dims.choices + j] == e); }
        if (SECOND == 0u) { continue; }
        if (expert_of[t * dims.choices] != e) { rest += exp(router[t * dims.stride + e] - stats[t].w); }
        if ((expert_of[t * dims.choices + 1u] & ~DECLINED) == e) { seconds += 1.0; }
    }
    sums[id.x] = vec4f(importance, firsts, rest, seconds);
}
