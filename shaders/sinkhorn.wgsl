//! sinkhorn.wgsl — a price for each expert of a group that balances the tokens' choices: entropy-regularised optimal
//! transport in the log domain.
//! Twin: src/kernels/sinkhorn.rs   Dispatch: (G, 1, 1)
//! Parts: dims
//!
//! With rows that sum to 1/S and columns to 1/E the plan is exp(h/ε + f_t + g_e):
//!   f_t = −ln S − logsumexp_e(h/ε + g_e),  g_e = −ln E − logsumexp_t(h/ε + f_t), until no g moves by the tolerance.
//! f drops out of a token's order of experts, so ε·g is all that is kept. One workgroup a group, until it has converged.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> router: array<f32>;         // f32[2, T, stride]: [0] logits
@group(0) @binding(2) var<storage, read_write> prices: array<f32>;   // f32[G, E]: ε·g
@group(0) @binding(3) var<storage, read_write> stats: array<vec4f>;  // f32[T, 4]: [0] f, until route writes its own
@group(0) @binding(4) var<storage, read_write> solver: array<vec4f>; // f32[G, 4]: iterations, largest last change of g, 0, 0

const THREADS = 64u;
const MOST_EXPERTS = 1024u;
const LARGEST = 1e30;   // beyond it a logit is as good as infinite

var<workgroup> price: array<f32, MOST_EXPERTS>;   // g
var<workgroup> change_of: array<f32, THREADS>;
var<workgroup> change: f32;

fn scaled(t: u32, e: u32) -> f32 {
    let h = router[t * dims.stride + e];
    let nan = (bitcast<u32>(h) & 0x7fffffffu) > 0x7f800000u;
    return clamp(select(h, -LARGEST, nan) / dims.epsilon, -LARGEST, LARGEST);
}

fn row_dual(t: u32) -> f32 {
    var largest = -LARGEST;
    for (var e = 0u; e < dims.experts; e++) { largest = max(largest, scaled(t, e) + price[e]); }
    var sum = 0.0;
    for (var e = 0u; e < dims.experts; e++) { sum += exp(scaled(t, e) + price[e] - largest); }
    return -log(f32(dims.group_tokens)) - largest - log(sum);
}

fn column_dual(first: u32, e: u32) -> f32 {
    var largest = -LARGEST;
    for (var t = first; t < first + dims.group_tokens; t++) { largest = max(largest, scaled(t, e) + stats[t].x); }
    var sum = 0.0;
    for (var t = first; t < first + dims.group_tokens; t++) { sum += exp(scaled(t, e) + stats[t].x - largest); }
    return -log(f32(dims.experts)) - largest - log(sum);
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let first = group.x * dims.group_tokens;
    for (var e = lane; e < dims.experts; e += THREADS) { price[e] = 0.0; }
    workgroupBarrier();
    var iterations = 0u;
    loop {
        for (var i = lane; i < dims.group_tokens; i += THREADS) { stats[first + i] = vec4f(row_dual(first + i), 0.0, 0.0, 0.0); }
        storageBarrier();
        workgroupBarrier();
        var moved = 0.0;
        for (var e = lane; e < dims.experts; e += THREADS) {
            let g = column_dual(first, e);
            moved = max(moved, abs(g - price[e]));
            price[e] = g;
        }
        change_of[lane] = moved;
        workgroupBarrier();
        if (lane == 0u) {
            var most = 0.0;
            for (var i = 0u; i < THREADS; i++) { most = max(most, change_of[i]); }
            change = most;
        }
        iterations++;
        let most = workgroupUniformLoad(&change);
        if (most < dims.tolerance || iterations >= dims.iterations) { break; }
    }
    for (var e = lane; e < dims.experts; e += THREADS) { prices[group.x * dims.experts + e] = dims.epsilon * price[e]; }
    if (lane == 0u) { solver[group.x] = vec4f(f32(iterations), change, 0.0, 0.0); }
}
