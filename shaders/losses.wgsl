//! losses.wgsl — the auxiliary losses of every group, and the derivative of their weighted sum by each score share.
//! Twin: src/kernels/losses.rs   Dispatch: (G, 1, 1)
//! Parts: dims
//!
//! With S tokens, importance I_e = Σ_t q_te, P_e = I_e / S, f_e = its share of the assignments and f1_e = its share of the first choices:
//!   loadBalance = E·Σ_e f_e·P_e, loadBalanceFirst = E·Σ_e f1_e·P_e (Fedus, Zoph, Shazeer 2021, eq. 4; Lepikhin et al. 2020),
//!   z = mean_t logsumexp² (Zoph et al. 2022, eq. 5), importance = CV²(I), load = CV²(assignments) (Shazeer et al. 2017);
//! and with q2_te the softmax over all experts but a token's first choice, f2_e the share of the second choices,
//!   secondPlace = E·Σ_e f2_e·mean_t q2_te (Mesh TensorFlow, top-2 gating).
//! The loss of a layer is the mean over groups; counts are before drops and have no gradient.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> sums: array<vec4f>;        // f32[G, E, 4]: importance, first choices, Σ_t q2_te, second choices
@group(0) @binding(2) var<storage, read> demanded: array<u32>;      // u32[G, E]
@group(0) @binding(3) var<storage, read> stats: array<vec4f>;       // f32[T, 4]: [0] logsumexp
@group(0) @binding(4) var<storage, read_write> losses: array<f32>;  // f32[G, 6]: loadBalance, loadBalanceFirst, z, importance, load, secondPlace
@group(0) @binding(5) var<storage, read_write> d_share: array<f32>; // f32[2, G, E]: derivative by q_te and q2_te, the same for every t of a group

override PER_TOKEN: u32 = 0u;   // 1: f_e is a share of the tokens, where a token may take any number of experts (Nie et al. 2021)

const THREADS = 64u;
const EPSILON = 1e-10;   // of CV² = variance / (mean² + EPSILON)

var<workgroup> partial: array<vec4f, THREADS>;
var<workgroup> partial_z: array<f32, THREADS>;
var<workgroup> total: vec4f;
var<workgroup> total_z: f32;

/// Sums `own` and `own_z` over the workgroup, in the order of lanes.
fn add_up(lane: u32, own: vec4f, own_z: f32) {
    partial[lane] = own;
    partial_z[lane] = own_z;
    workgroupBarrier();
    if (lane == 0u) {
        var s = vec4f();
        var z = 0.0;
        for (var i = 0u; i < THREADS; i++) { s += partial[i]; z += partial_z[i]; }
        total = s;
        total_z = z;
    }
    workgroupBarrier();
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let g = group.x;
    let experts = f32(dims.experts);
    let tokens = f32(dims.group_tokens);
    let firsts = tokens * f32(dims.prototypes);
    var own = vec4f();   // Σ assignments·I, Σ f1·I, Σ I, Σ assignments
    for (var e = lane; e < dims.experts; e += THREADS) {
        let s = sums[g * dims.experts + e];
        let d = f32(demanded[g * dims.experts + e]);
        own += vec4f(d * s.x, s.y / firsts * s.x, s.x, d);
    }
    var own_z = 0.0;
    for (var i = lane; i < dims.group_tokens; i += THREADS) {
        let lse = stats[g * dims.group_tokens + i].x;
        own_z += lse * lse;
    }
    add_up(lane, own, own_z);
    let assignments = select(max(total.w, 1.0), tokens, PER_TOKEN == 1u);
    let balance = experts * total.x / assignments / tokens;
    let balance_first = experts * total.y / tokens;
    let z = total_z / tokens;
    let mean_importance = total.z / experts;
    let mean_load = total.w / experts;
    own = vec4f();   // squared deviations of importance and assignments, Σ second choices·Σ_t q2
    for (var e = lane; e < dims.experts; e += THREADS) {
        let s = sums[g * dims.experts + e];
        let a = s.x - mean_importance;
        let b = f32(demanded[g * dims.experts + e]) - mean_load;
        own += vec4f(a * a, b * b, s.z * s.w, 0.0);
    }
    add_up(lane, own, 0.0);
    let variance = total.x / experts;
    let below = mean_importance * mean_importance + EPSILON;
    if (lane == 0u) {
        losses[6u * g] = balance;
        losses[6u * g + 1u] = balance_first;
        losses[6u * g + 2u] = z;
        losses[6u * g + 3u] = variance / below;
        losses[6u * g + 4u] = total.y / experts / (mean_load * mean_load + EPSILON);
        losses[6u * g + 5u] = experts * total.z / (tokens * tokens);
    }
    let groups = f32(dims.groups);
    for (var e = lane; e < dims.experts; e += THREADS) {
        let s = sums[g * dims.experts + e];
        let f = f32(demanded[g * dims.experts + e]) / assignments;
        let cv = 2.0 * (s.x - mean_importance) / (experts * below)
            - 2.0 * variance * mean_importance / (experts * below * below);
        d_share[g * dims.experts + e] = (dims.balance * experts * f / tokens
            + dims.balance_first * experts * s.y / (firsts * tokens) + dims.importance * cv) / groups;
        d_share[(dims.groups + g) * dims.experts + e] = dims.second_place * experts * s.w / (tokens * tokens) / groups;
    }
}
