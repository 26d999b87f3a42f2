//! advantage.wgsl — how much better each token fared than expected, in one workgroup.
//! Twin: src/kernels/advantage.rs   Dispatch: (1, 1, 1)
//! Parts: dims
//!
//! Tokens that were turned away count for nothing. The running mean is taken before this batch goes into it, so that no token
//! is compared with its own reward; it is kept with the weight of what has gone into it, by which it is divided.

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> reward: array<f32>;            // f32[T]
@group(0) @binding(2) var<storage, read> placement: array<vec2u>;       // u32[T, columns, 2]
@group(0) @binding(3) var<storage, read> router: array<f32>;            // f32[2, T, stride]: [0] after the logits, the linear baseline
@group(0) @binding(4) var<storage, read_write> memory: array<f32>;      // f32[4]: running mean, its weight
@group(0) @binding(5) var<storage, read_write> advantage: array<vec2f>; // f32[T, 2]: advantage, and reward less baseline

override BASELINE: u32 = 0u;   // 0 none, 1 the running mean, 2 linear in the token
override NORMALIZE: u32 = 0u;  // 1: to mean 0 and variance 1

const THREADS = 256u;
const EPSILON = 1e-8;   // beside a deviation that is divided by

var<workgroup> partial: array<vec3f, THREADS>;
var<workgroup> total: vec3f;

/// Sums `own` over the workgroup, in the order of lanes.
fn add_up(lane: u32, own: vec3f) {
    partial[lane] = own;
    workgroupBarrier();
    if (lane == 0u) {
        var sum = vec3f();
        for (var i = 0u; i < THREADS; i++) { sum += partial[i]; }
        total = sum;
    }
    workgroupBarrier();
}

fn served(t: u32) -> bool { return placement[t * dims.columns].y != DROPPED; }

@compute @workgroup_size(THREADS)
fn main(@builtin(local_invocation_index) lane: u32) {
    var running = 0.0;
    if (BASELINE == 1u && memory[1] > 0.0) { running = memory[0] / memory[1]; }
    var own = vec3f();   // tokens, Σ reward, Σ advantage
    for (var t = lane; t < dims.tokens; t += THREADS) {
        var apart = 0.0;
        if (served(t)) {
            apart = reward[t] - running;
            if (BASELINE == 2u) { apart -= router[t * dims.stride + dims.experts]; }
            own += vec3f(1.0, reward[t], apart);
        }
        advantage[t] = vec2f(apart);
    }
    add_up(lane, own);
    let tokens = max(total.x, 1.0);
    let mean_reward = total.y / tokens;
    let mean = total.z / tokens;
    let any = total.x > 0.0;
    if (NORMALIZE == 1u) {
        own = vec3f();
        for (var t = lane; t < dims.tokens; t += THREADS) {
            if (served(t)) { own.x += (advantage[t].x - mean) * (advantage[t].x - mean); }
        }
        add_up(lane, own);
        let deviation = sqrt(total.x / tokens) + EPSILON;
        for (var t = lane; t < dims.tokens; t += THREADS) {
            if (served(t)) { advantage[t].x = (advantage[t].x - mean) / deviation; }
        }
    }
    if (BASELINE == 1u && lane == 0u && any) {
        memory[0] = dims.decay * memory[0] + (1.0 - dims.decay) * mean_reward;
        memory[1] = dims.decay * memory[1] + (1.0 - dims.decay);
    }
}
