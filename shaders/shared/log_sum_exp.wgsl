//! log_sum_exp.wgsl — what the logarithm of a sum of exponentials is made of; all threads of a workgroup together. The kernel says
//! which numbers there are, `entry(i)` for i from 0 to a count, and how many THREADS it has.

const LEAST = -0x1.fffffep+127f;

var<workgroup> part: array<f32, THREADS>;

/// The largest entry m, and Σ exp(entry − m), in the order of a fixed tree. Ends with a barrier.
fn largest_and_sum(lane: u32, count: u32) -> vec2f {
    var most = LEAST;
    for (var i = lane; i < count; i += THREADS) { most = max(most, entry(i)); }
    part[lane] = most;
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (lane < half) { part[lane] = max(part[lane], part[lane + half]); }
    }
    let largest = workgroupUniformLoad(&part[0]);
    var sum = 0.0;
    for (var i = lane; i < count; i += THREADS) { sum += exp(entry(i) - largest); }
    part[lane] = sum;
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (lane < half) { part[lane] += part[lane + half]; }
    }
    return vec2f(largest, workgroupUniformLoad(&part[0]));
}
