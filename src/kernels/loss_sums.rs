//! Sums over tokens that the auxiliary losses need.

use super::{Access::*, Call, DECLINED, Kernel, Slice, bound};
use crate::shader;

/// Importance and first choices of every expert in every group.
///
/// - 1 logits and scores: `f32[2, T, stride]`, 2 `stats`: `f32[T, 4]`, 3 `expert_of`: `u32[T, k]`
/// - 4 `sums`: `f32[G, E, 2]`: Σ_t of the scores' share, count of first choices
pub static LOSS_SUMS: Kernel = Kernel {
    name: "loss_sums",
    source: include_str!("../../shaders/loss_sums.wgsl"),
    parts: &[&shader::DIMS],
    product: None,
    bindings: &[Read, Read, Read, Write],
    constants: &[],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [router, stats, expert_of, sums] = bound(slices);
    let (tokens, stride, e) = (call.dims.tokens as usize, call.dims.stride as usize, call.dims.experts as usize);
    let sums = &mut sums.f32_mut()[..2 * call.dims.groups as usize * e];
    sums.fill(0.0);
    for t in 0..tokens {
        let group = &mut sums[t / call.dims.group_tokens as usize * 2 * e..][..2 * e];
        let total = stats.f32()[4 * t + 2];
        if total > 0.0 {
            let scores = &router.f32()[(tokens + t) * stride..][..e];
            group.chunks_exact_mut(2).zip(scores).for_each(|(sum, s)| sum[0] += s / total);
        }
        let firsts = &expert_of.u32()[t * call.dims.choices as usize..][..call.dims.prototypes as usize];
        for first in firsts.iter().filter(|first| **first < DECLINED) {
            group[2 * *first as usize + 1] += 1.0;
        }
    }
}
