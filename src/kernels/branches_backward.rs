//! Backward of choices on two levels.

use super::branches::{Softmax, branch_size, choices_to_make};
use super::{Access::*, Call, Kernel, Slice, bound};
use crate::shader;

/// From the gradient of logits that go into one softmax, whose shares are those of branches times those of experts, to that of the
/// logits of experts and branches, with what the losses `importance` and `z` add.
///
/// - 1 logits and scores: `f32[2, T, stride]`, 2 `expert_of`: `u32[T, k]`, 3 `chosen`: `f32[T, columns]`, 4 `d_share`: `f32[G, E]`,
///   5 `d_odds`: `f32[G, E + branches, 2]`
/// - 6 `d_logits`: `f32[T, stride]`
pub static BRANCHES_BACKWARD: Kernel = Kernel {
    name: "branches_backward",
    source: include_str!("../../shaders/branches_backward.wgsl"),
    parts: &[&shader::DIMS, &shader::BRANCHES],
    product: None,
    bindings: &[Read, Read, Read, Read, Read, Write],
    constants: &["LOSSES"],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [router, expert_of, chosen, d_share, d_odds, d_logits] = bound(slices);
    let dims = call.dims;
    let (tokens, experts, k) = (dims.tokens as usize, dims.experts as usize, dims.choices as usize);
    let (stride, columns, size) = (dims.stride as usize, dims.columns as usize, branch_size(dims));
    let (logits, scores) = router.f32().split_at(tokens * stride);
    let per_branch = k / dims.branch_choices as usize;
    for t in 0..tokens {
        let group = t / dims.group_tokens as usize;
        let (h, rest) = logits[t * stride..][..stride].split_at(experts);
        let branches = &rest[..dims.branches as usize];
        let s = &scores[t * stride..][..experts];
        let chosen = &chosen.f32()[t * columns..][..k];
        let experts_of = &expert_of.u32()[t * k..][..k];
        let d_share = &d_share.f32()[group * experts..][..experts];
        let (d_experts, d_rest) = d_logits.f32_mut()[t * stride..][..stride].split_at_mut(experts);
        if call.constants.on("LOSSES") {
            let d_odds = &d_odds.f32()[2 * group * dims.logits as usize..];
            let by_importance = |e: u32| d_odds[2 * e as usize];
            let mean: f32 = chosen.iter().zip(experts_of).map(|(weight, e)| weight * by_importance(*e)).sum();
            for (weight, e) in chosen.iter().zip(experts_of) {
                d_experts[*e as usize] += weight * (by_importance(*e) - mean);
            }
        }
        let mean: f32 = s.iter().zip(d_share).map(|(s, d)| s * d).sum();
        let of_branches = Softmax::of(branches);
        let z = dims.z * 2.0 / (tokens as f32 * choices_to_make(dims).max(1.0));
        for (n, branch) in branches.iter().enumerate() {
            let own = n * size..(n + 1) * size;
            let inside = Softmax::of(&h[own.clone()]);
            let whole: f32 = d_experts[own.clone()].iter().sum();
            let of_scores: f32 = s[own.clone()].iter().zip(&d_share[own.clone()]).map(|(s, d)| s * (d - mean)).sum();
            let through_z = if size > 1 { z * inside.logsumexp() } else { 0.0 };
            let d_own = d_experts[own.clone()].iter_mut().zip(&h[own]);
            d_own.for_each(|(d, h)| *d += inside.share(*h) * (through_z - of_scores));
            let d_z = if branches.len() > 1 { z * of_branches.logsumexp() * of_branches.share(*branch) } else { 0.0 };
            d_rest[n] = whole + d_z;
            let here = experts_of.chunks_exact(per_branch).zip(chosen.chunks_exact(per_branch));
            for (experts_of, chosen) in here.filter(|(experts_of, _)| experts_of[0] as usize / size == n) {
                let weight: f32 = chosen.iter().sum();
                for (e, own) in experts_of.iter().zip(chosen).filter(|_| weight > 0.0) {
                    d_experts[*e as usize] -= own / weight * (whole - of_scores);
                }
            }
        }
    }
}
