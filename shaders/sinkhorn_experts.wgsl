//! sinkhorn_experts.wgsl — second half of an iteration of balancing: g of every expert, which makes its column of the plan sum to
//! its share of 1, and how much any g of a group moved.
//! Twin: src/kernels/sinkhorn_experts.rs   Dispatch: (E, G, 1), indirect after the first iteration
//! Parts: dims, sinkhorn, grids, log_sum_exp
//!
//! g_e = ln share_e − logsumexp_t(h/ε + f_t). One workgroup an expert and group; sums in the order of a fixed tree. The largest change
//! is that of the bits: a float that is not negative orders as they do, in whatever order the experts come. Where it is
//! large there is another iteration: its grids are written here, and stay 0 otherwise.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> router: array<f32>;               // f32[2, T, stride]: [0] logits
@group(0) @binding(2) var<storage, read> stats: array<vec4f>;              // f32[T, 4]: [0] f
@group(0) @binding(3) var<storage, read_write> prices: array<f32>;         // f32[G, E]: ε·g
@group(0) @binding(4) var<storage, read_write> solver: array<atomic<u32>>; // u32[G, iterations]: bits of an f32, the largest change of g
@group(0) @binding(5) var<storage, read_write> grids: array<atomic<u32>>;  // u32[iterations + 1, 2, 4]: of both halves, by iteration
@group(0) @binding(6) var<storage, read> log_shares: array<f32>;           // f32[E]: ln of what each column sums to

const THREADS = 64u;

var<workgroup> settled: u32;

var<private> expert: u32;
var<private> first: u32;   // token of the group

fn entry(i: u32) -> f32 { return scaled(router[(first + i) * dims.stride + expert]) + stats[first + i].x; }

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let e = group.x;
    let state = group.y * dims.iterations + dims.iteration;
    if (lane == 0u) {
        settled = 0u;
        if (dims.iteration > 0u) { settled = u32(bitcast<f32>(atomicLoad(&solver[state - 1u])) < dims.tolerance); }
    }
    if (workgroupUniformLoad(&settled) == 1u) { return; }

    expert = e;
    first = group.y * dims.group_tokens;
    let sums = largest_and_sum(lane, dims.group_tokens);
    if (lane == 0u) {
        let at = group.y * dims.experts + e;
        let g = log_shares[e] - sums.x - log(sums.y);
        let moved = abs(g - prices[at] / dims.epsilon);
        prices[at] = dims.epsilon * g;
        atomicMax(&solver[state], bitcast<u32>(moved));
        if (moved >= dims.tolerance) {
            let next = 2u * (dims.iteration + 1u);
            write_grid(next, (dims.tokens + 63u) / 64u, 1u);
            write_grid(next + 1u, dims.experts, dims.groups);
        }
    }
}
