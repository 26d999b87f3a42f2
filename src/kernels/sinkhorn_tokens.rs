//! Rows of the balanced plan.

use super::activation::exp;
use super::{Access::*, Call, Dims, Kernel, Slice, bound};
use crate::shader;

/// First half of an iteration of entropy-regularised optimal transport, in the log domain: `f` of every token, which makes
/// its row of the plan `exp(h/ε + f + g)` sum to `1/S`.
///
/// - 1 logits: `f32[2, T, stride]`, 2 `prices`: `f32[G, E]`, `ε·g`, 3 `solver`: `u32[G, iterations]`, bits of the largest change
/// - 4 `stats`: `f32[T, 4]`, first `f`
///
/// # Source
/// Clark et al. 2022, appendix on S-BASE.
pub static SINKHORN_TOKENS: Kernel = Kernel {
    name: "sinkhorn_tokens",
    source: include_str!("../../shaders/sinkhorn_tokens.wgsl"),
    parts: &[&shader::DIMS, &shader::SINKHORN],
    product: None,
    bindings: &[Read, Read, Read, Write],
    constants: &[],
    twin,
};

/// Beyond it a logit is as good as infinite.
pub(super) const LARGEST: f32 = 1e30;

/// A logit in units of `ε`.
pub(super) fn scaled(dims: &Dims, h: f32) -> f32 {
    (if h.is_nan() { -LARGEST } else { h } / dims.epsilon).clamp(-LARGEST, LARGEST)
}

/// Whether a group's iteration before this one left no change of the tolerance or more.
pub(super) fn settled(dims: &Dims, solver: &[u32], group: usize) -> bool {
    let before = |iteration: u32| solver[group * dims.iterations as usize + iteration as usize];
    dims.iteration.checked_sub(1).is_some_and(|i| f32::from_bits(before(i)) < dims.tolerance)
}

/// `ln Σ exp`, of finite values.
pub(super) fn log_sum_exp(values: &[f32]) -> f32 {
    let largest = values.iter().copied().fold(-LARGEST, f32::max);
    largest + values.iter().map(|v| exp(v - largest)).sum::<f32>().ln()
}

fn twin(call: &Call, slices: &mut [Slice]) {
    let [router, prices, solver, stats] = bound(slices);
    let dims = call.dims;
    let (s, experts, stride) = (dims.group_tokens as usize, dims.experts as usize, dims.stride as usize);
    for t in 0..dims.tokens as usize {
        if settled(dims, solver.u32(), t / s) {
            continue;
        }
        let prices = &prices.f32()[t / s * experts..];
        let row = router.f32()[t * stride..][..experts].iter().zip(prices);
        let row: Vec<f32> = row.map(|(h, price)| scaled(dims, *h) + price / dims.epsilon).collect();
        let f = -(s as f32).ln() - log_sum_exp(&row);
        stats.f32_mut()[4 * t..][..4].copy_from_slice(&[f, 0.0, 0.0, 0.0]);
    }
}
