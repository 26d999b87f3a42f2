//! Sums over tokens that the auxiliary losses need.

use super::activation::exp;
use super::{Access::*, Call, DECLINED, Kernel, Slice, bound};
use crate::shader;

/// What every expert is to the tokens of every group: importance and first choices, and, if wanted, the same of second ones.
///
/// - 1 logits and scores: `f32[2, T, stride]`, 2 `stats`: `f32[T, 4]`, 3 `expert_of`: `u32[T, k]`
/// - 4 `sums`: `f32[G, E, 4]`: Σ_t of the scores' share, count of first choices; Σ_t of the share without the first choice,
///   count of second choices
pub static LOSS_SUMS: Kernel = Kernel {
    name: "loss_sums",
    source: include_str!("../../shaders/loss_sums.wgsl"),
    parts: &[&shader::DIMS],
    product: None,
    bindings: &[Read, Read, Read, Write],
    constants: &["SECOND"],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [router, stats, expert_of, sums] = bound(slices);
    let (tokens, stride, e) = (call.dims.tokens as usize, call.dims.stride as usize, call.dims.experts as usize);
    let sums = &mut sums.f32_mut()[..4 * call.dims.groups as usize * e];
    sums.fill(0.0);
    for t in 0..tokens {
        let group = &mut sums[t / call.dims.group_tokens as usize * 4 * e..][..4 * e];
        let total = stats.f32()[4 * t + 2];
        if total > 0.0 {
            let scores = &router.f32()[(tokens + t) * stride..][..e];
            group.chunks_exact_mut(4).zip(scores).for_each(|(sum, s)| sum[0] += s / total);
        }
        let firsts = &expert_of.u32()[t * call.dims.choices as usize..][..call.dims.prototypes as usize];
        for first in firsts.iter().filter(|first| **first < DECLINED) {
            group[4 * *first as usize + 1] += 1.0;
        }
        if call.constants.on("SECOND") {
            let [first, second] =
                [0, 1].map(|j| (expert_of.u32()[t * call.dims.choices as usize + j] & !DECLINED) as usize);
            let logits = &router.f32()[t * stride..][..e];
            for (e, (sum, h)) in group.chunks_exact_mut(4).zip(logits).enumerate() {
                sum[2] += if e == first { 0.0 } else { exp(h - stats.f32()[4 * t + 3]) };
            }
            group[4 * second + 3] += 1.0;
        }
    }
}
