//! Weights of choices that were made with noise, without it.

use super::activation::exp;
use super::{Access::*, Call, DECLINED, Kernel, Slice, bound};
use crate::shader;

/// Scores, and weights of the choices, from the logits without noise, which go back to their place.
///
/// - 1 `clean`: `f32[T, E]`, 2 `expert_of`: `u32[T, k]`
/// - 3 logits and scores: `f32[2, T, stride]`, 4 `chosen`: `f32[T, columns]`, 5 `stats`: `f32[T, 4]`
///
/// # Source
/// Nie et al. 2021 (weights that are a plain softmax).
pub static REWEIGH: Kernel = Kernel {
    name: "reweigh",
    source: include_str!("../../shaders/reweigh.wgsl"),
    parts: &[&shader::DIMS],
    product: None,
    bindings: &[Read, Read, Write, Write, Write],
    constants: &[],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [clean, expert_of, router, chosen, stats] = bound(slices);
    let dims = call.dims;
    let (tokens, experts, k) = (dims.tokens as usize, dims.experts as usize, dims.choices as usize);
    let (stride, columns) = (dims.stride as usize, dims.columns as usize);
    let (logits, scores) = router.f32_mut().split_at_mut(tokens * stride);
    for t in 0..tokens {
        let clean = &clean.f32()[t * experts..][..experts];
        let scores = &mut scores[t * stride..][..experts];
        let largest = clean.iter().copied().fold(f32::MIN, f32::max);
        scores.iter_mut().zip(clean).for_each(|(s, c)| *s = exp(c - largest));
        let sum: f32 = scores.iter().sum();
        scores.iter_mut().for_each(|s| *s /= sum);
        logits[t * stride..][..experts].copy_from_slice(clean);
        let total = scores.iter().sum();
        stats.f32_mut()[4 * t..][..4].copy_from_slice(&[largest + sum.ln(), 1.0 / sum, total, 0.0]);
        let chosen = &mut chosen.f32_mut()[t * columns..][..k];
        for (c, e) in chosen.iter_mut().zip(&expert_of.u32()[t * k..]).filter(|(_, e)| **e < DECLINED) {
            *c = scores[*e as usize];
        }
    }
}
