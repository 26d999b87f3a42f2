//! The losses of noisy top-k.

use super::{Access::*, Call, Kernel, Slice, bound};
use crate::shader;

const EPSILON: f32 = 1e-10;

/// The losses `importance` and `load` of every group, and the derivative of their weighted sum. In a branch an expert's load is the
/// branch's load times the expert's over the tokens that chose the branch, or, if none did, times what it would have of them were they
/// spread evenly.
///
/// - 1 `sums`: `f32[G, E + branches, 2]`
/// - 2 `losses`: `f32[G, 6]`, the last two written, 3 `d_odds`: `f32[G, E + branches, 2]`
///
/// # Source
/// Shazeer et al. 2017, section 4 and appendix B.
pub static NOISY_LOSSES: Kernel = Kernel {
    name: "noisy_losses",
    source: include_str!("../../shaders/noisy_losses.wgsl"),
    parts: &[&shader::DIMS],
    product: None,
    bindings: &[Read, Write, Write],
    constants: &[],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [sums, losses, d_odds] = bound(slices);
    let dims = call.dims;
    let (experts, row) = (dims.experts as usize, 2 * dims.logits as usize);
    let size = dims.experts.checked_div(dims.branches).unwrap_or(dims.experts) as usize;
    let evenly = (dims.choices * dims.branches) as f32 / (dims.branch_choices * dims.experts) as f32;
    for g in 0..dims.groups as usize {
        let (of_experts, of_branches) = sums.f32()[g * row..][..row].split_at(2 * experts);
        let (d_experts, d_branches) = d_odds.f32_mut()[g * row..][..row].split_at_mut(2 * experts);
        d_branches.fill(0.0);
        for (i, weight) in [dims.importance, dims.load].into_iter().enumerate() {
            let branch_of = |e: usize| {
                let branch = of_branches.chunks_exact(2).nth(e / size).filter(|_| i == 1)?;
                Some((branch[0], branch[1]))
            };
            let part_of_branch =
                |e: usize, tokens: f32| if tokens > 0.0 { of_experts[2 * e + 1] / tokens } else { evenly };
            let of_expert = |e: usize| match branch_of(e) {
                None => of_experts[2 * e + i],
                Some((tokens, load)) => load * part_of_branch(e, tokens),
            };
            let totals: Vec<f32> = (0..experts).map(of_expert).collect();
            let mean = totals.iter().sum::<f32>() / experts as f32;
            let variance = totals.iter().map(|s| (s - mean) * (s - mean)).sum::<f32>() / experts as f32;
            let below = mean * mean + EPSILON;
            losses.f32_mut()[6 * g + 3 + i] = variance / below;
            let weight = weight / dims.groups as f32 * 2.0 / experts as f32;
            for (e, total) in totals.into_iter().enumerate() {
                let d = weight * ((total - mean) / below - variance * mean / (below * below));
                d_experts[2 * e + i] = match branch_of(e) {
                    None => d,
                    Some((tokens, load)) => {
                        d_branches[2 * (e / size) + 1] += d * part_of_branch(e, tokens);
                        if tokens > 0.0 { d * load / tokens } else { 0.0 }
                    }
                };
            }
        }
    }
}
