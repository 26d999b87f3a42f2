//! route_branches.wgsl — in place of route where experts are in branches: the stable top-k of the branches, and that inside each.
//! Twin: src/kernels/route_branches.rs   Dispatch: (ceil(T / 64), 1, 1)
//! Parts: dims, finite, branches
//!
//! A choice weighs its share among the chosen experts of its branch, times the branch's share among the chosen branches (Shazeer
//! et al. 2017, appendix B). Its score is the same product with all experts and branches. The choices in the best branch come first.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read_write> router: array<f32>;    // f32[2, T, stride]: [0] logits, [1] scores, written here
@group(0) @binding(2) var<storage, read_write> expert_of: array<u32>; // u32[T, k]
@group(0) @binding(3) var<storage, read_write> chosen: array<f32>;    // f32[T, columns]: weight of each choice, then the shared gate
@group(0) @binding(4) var<storage, read_write> stats: array<vec4f>;   // f32[T, 4]: root of the mean squared logsumexp, best score, sum of scores, 0

override SHARED_GATE: u32 = 0u; // as in route

/// The best of a run of logits after `last` in the order of choice: larger ones first, equal ones by number; of all if that is NONE.
fn best_after(first: u32, end: u32, last: u32) -> u32 {
    var best = NONE;
    for (var i = first; i < end; i++) {
        let h = router[i];
        if (last != NONE && (h > router[last] || (h == router[last] && i <= last))) { continue; }
        if (best == NONE || h > router[best]) { best = i; }
    }
    return best;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let t = id.x;
    if (t >= dims.tokens) { return; }
    let experts_at = t * dims.stride;
    let branches_at = experts_at + dims.experts;
    let end = branches_at + dims.branches;
    for (var i = experts_at; i < end; i++) { router[i] = finite(router[i]); }

    // scores
    let to_scores = dims.tokens * dims.stride;
    let of_branches = softmax_of(branches_at, end);
    var squares = 0.0;
    var highest = 0.0;
    var total = 0.0;
    if (dims.branches > 1u) { squares += logsumexp(of_branches) * logsumexp(of_branches); }
    for (var n = 0u; n < dims.branches; n++) {
        let first = experts_at + n * branch_size();
        let inside = softmax_of(first, first + branch_size());
        if (branch_size() > 1u) { squares += logsumexp(inside) * logsumexp(inside); }
        for (var i = first; i < first + branch_size(); i++) {
            let score = share(of_branches, branches_at + n) * share(inside, i);
            router[to_scores + i] = score;
            highest = max(highest, score);
            total += score;
        }
    }
    stats[t] = vec4f(sqrt(squares / max(choices_to_make(), 1.0)), highest, total, 0.0);

    // choices, and their weights before those of the branches are divided by their sum
    let per_branch = dims.choices / dims.branch_choices;
    var branch = NONE;
    var over = 0.0;
    for (var j = 0u; j < dims.choices; j += per_branch) {
        branch = best_after(branches_at, end, branch);
        let of_branch = exp(router[branch] - of_branches.largest);
        over += of_branch;
        let first = experts_at + (branch - branches_at) * branch_size();
        var best = NONE;
        var largest = 0.0;
        var sum = 0.0;
        for (var i = j; i < j + per_branch; i++) {
            best = best_after(first, first + branch_size(), best);
            if (i == j) { largest = router[best]; }
            expert_of[t * dims.choices + i] = best - experts_at;
            chosen[t * dims.columns + i] = exp(router[best] - largest);
            sum += chosen[t * dims.columns + i];
        }
        for (var i = j; i < j + per_branch; i++) { chosen[t * dims.columns + i] *= of_branch / sum; }
    }
    for (var j = 0u; j < dims.choices; j++) { chosen[t * dims.columns + j] /= over; }
    var gate = 1.0;
    if (SHARED_GATE == 1u) { gate = 1.0 / (1.0 + exp(-finite(router[experts_at + dims.gate_at]))); }
    for (var j = dims.choices; j < dims.columns; j++) { chosen[t * dims.columns + j] = gate; }
}
