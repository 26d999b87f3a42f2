//! Policies and actions.

use super::activation::{exp, sigmoid};
use super::gumbel::gumbel;
use super::{Access::*, Call, Kernel, Slice, bound};
use crate::rng::DRAW_LANE;
use crate::shader;

/// The policy of every token, `π = softmax(h / τ)`, and the expert that it draws (`SAMPLED`), or the best one.
///
/// - 1 logits, divided by `τ` here, and `π`: `f32[2, T, stride]`
/// - 2 `expert_of`: `u32[T, 1]`, 3 `chosen`: `f32[T, columns]`, 4 `stats`: `f32[T, 4]`
///
/// # Source
/// Williams 1992 (REINFORCE); drawing by the largest of noisy logits: Gumbel 1954.
pub static ACT: Kernel = Kernel {
    name: "act",
    source: include_str!("../../shaders/act.wgsl"),
    parts: &[&shader::DIMS, &shader::RNG, &shader::GUMBEL],
    product: None,
    bindings: &[Write, Write, Write, Write],
    constants: &["SAMPLED", "SHARED_GATE"],
    twin,
};

const LOWEST: f32 = f32::MIN;

fn finite(v: f32) -> f32 {
    if v.is_nan() { LOWEST } else { v.clamp(LOWEST, f32::MAX) }
}

fn twin(call: &Call, slices: &mut [Slice]) {
    let [router, expert_of, chosen, stats] = bound(slices);
    let dims = call.dims;
    let (tokens, experts, stride) = (dims.tokens as usize, dims.experts as usize, dims.stride as usize);
    let columns = dims.columns as usize;
    let (logits, scores) = router.f32_mut().split_at_mut(tokens * stride);
    for t in 0..tokens {
        let (row, scores) = (&mut logits[t * stride..][..stride], &mut scores[t * stride..][..experts]);
        let (mut action, mut best_key) = (0, LOWEST);
        for (e, z) in row[..experts].iter_mut().enumerate() {
            *z = finite(*z / dims.temperature);
            let noise = if call.constants.on("SAMPLED") { gumbel(dims, t as u32, DRAW_LANE + e as u32) } else { 0.0 };
            if *z + noise > best_key {
                (action, best_key) = (e as u32, *z + noise);
            }
        }
        let largest = row[..experts].iter().copied().fold(LOWEST, f32::max);
        scores.iter_mut().zip(&*row).for_each(|(p, z)| *p = exp(z - largest));
        let sum: f32 = scores.iter().sum();
        scores.iter_mut().for_each(|p| *p /= sum);
        let best = scores.iter().copied().fold(0.0, f32::max);
        stats.f32_mut()[4 * t..][..4].copy_from_slice(&[largest + sum.ln(), best, scores.iter().sum(), 0.0]);
        expert_of.u32_mut()[t] = action;
        let chosen = &mut chosen.f32_mut()[t * columns..][..columns];
        chosen[0] = 1.0;
        chosen[1..].fill(if call.constants.on("SHARED_GATE") {
            sigmoid(finite(row[dims.gate_at as usize]))
        } else {
            1.0
        });
    }
}
