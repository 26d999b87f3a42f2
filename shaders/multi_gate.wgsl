//! multi_gate.wgsl — the gate of every task, and the experts that any task of a token takes.
//! Twin: src/kernels/multi_gate.rs   Dispatch: (ceil(T / 64), 1, 1)
//! Parts: dims
//!
//! A token's experts come in the order of their numbers, each once; what a task does not take has no weight in it. Within a task
//! the larger logit comes first, of equal ones the lower expert; NaN counts as −∞.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read_write> router: array<f32>;    // f32[2, T, stride]: [0] logits by task, [1] their softmax, written here
@group(0) @binding(2) var<storage, read_write> expert_of: array<u32>; // u32[T, k]: experts, then none
@group(0) @binding(3) var<storage, read_write> chosen: array<f32>;    // f32[tasks, T, columns]: share in the task, then the shared gate
@group(0) @binding(4) var<storage, read_write> stats: array<vec4f>;   // f32[T, 4]: 0, largest share, 0, 0

override SHARED_GATE: u32 = 0u; // as in route

const LOWEST = -0x1.fffffep+127f;
const MOST_TASKS = 64u;

/// Finite: NaN and −∞ become the lowest number, +∞ the largest.
fn finite(v: f32) -> f32 {
    let nan = (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u;
    return select(clamp(v, LOWEST, -LOWEST), LOWEST, nan);
}

/// The last expert that each task takes, and its logit.
var<private> last_of: array<u32, MOST_TASKS>;
var<private> least_of: array<f32, MOST_TASKS>;

/// Finds the last of the `dims.nominees` best experts of a task whose logits stand from `at` on.
fn find_last(task: u32, at: u32) {
    var last = 0u;
    var least = 0.0;
    for (var n = 0u; n < dims.nominees; n++) {
        var best = 0u;
        var best_key = 0.0;
        var found = false;
        for (var e = 0u; e < dims.experts; e++) {
            let z = router[at + e];
            let later = n == 0u || z < least || (z == least && e > last);
            if (later && (!found || z > best_key)) { best = e; best_key = z; found = true; }
        }
        last = best;
        least = best_key;
    }
    last_of[task] = last;
    least_of[task] = least;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let t = id.x;
    if (t >= dims.tokens) { return; }
    let all = dims.nominees == dims.experts;
    var most = 0.0;
    for (var task = 0u; task < dims.tasks; task++) {
        let at = t * dims.stride + task * dims.experts;
        let scores_at = (dims.tokens + t) * dims.stride + task * dims.experts;
        var largest = LOWEST;
        for (var e = 0u; e < dims.experts; e++) {
            let z = finite(router[at + e]);
            router[at + e] = z;
            largest = max(largest, z);
        }
        var sum = 0.0;
        for (var e = 0u; e < dims.experts; e++) { sum += exp(router[at + e] - largest); }
        for (var e = 0u; e < dims.experts; e++) {
            let p = exp(router[at + e] - largest) / sum;
            router[scores_at + e] = p;
            most = max(most, p);
        }
        if (!all) { find_last(task, at); }
    }
    stats[t] = vec4f(0.0, most, 0.0, 0.0);

    var j = 0u;
    for (var e = 0u; e < dims.experts; e++) {
        var any = false;
        for (var task = 0u; task < dims.tasks; task++) {
            let z = router[t * dims.stride + task * dims.experts + e];
            let taken = all || z > least_of[task] || (z == least_of[task] && e <= last_of[task]);
            any = any || taken;
            if (j < dims.choices) {
                let p = router[(dims.tokens + t) * dims.stride + task * dims.experts + e];
                chosen[(task * dims.tokens + t) * dims.columns + j] = select(0.0, p, taken);
            }
        }
        if (any) {
            expert_of[t * dims.choices + j] = e;
            j++;
        }
    }
    var gate = 1.0;
    if (SHARED_GATE == 1u) { gate = 1.0 / (1.0 + exp(-finite(router[t * dims.stride + dims.gate_at]))); }
    for (var i = j; i < dims.choices; i++) { expert_of[t * dims.choices + i] = NONE; }
    for (var task = 0u; task < dims.tasks; task++) {
        let at = (task * dims.tokens + t) * dims.columns;
        for (var i = j; i < dims.choices; i++) { chosen[at + i] = 0.0; }
        for (var i = dims.choices; i < dims.columns; i++) { chosen[at + i] = gate; }
    }
}
