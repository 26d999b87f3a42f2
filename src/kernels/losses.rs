//! The auxiliary losses.

use super::{Access::*, Call, Kernel, Slice, bound};
use crate::shader;

/// Names of the losses, in the order of the kernel's output.
pub const LOSS_NAMES: [&str; 6] = ["loadBalance", "loadBalanceFirst", "z", "importance", "load", "secondPlace"];

const EPSILON: f32 = 1e-10;

/// The auxiliary losses of every group, and the derivative of their weighted sum by each score share.
///
/// - 1 `sums`: `f32[G, E, 4]`, 2 `demanded`: `u32[G, E]`, 3 `stats`: `f32[T, 4]`
/// - 4 `losses`: `f32[G, 6]` in the order of [`LOSS_NAMES`]
/// - 5 `d_share`: `f32[2, G, E]`, by the shares of all scores, and by those without the first choice's
///
/// # Source
/// Fedus, Zoph, Shazeer 2021, eq. 4; Lepikhin et al. 2020 (first choices); Zoph et al. 2022, eq. 5; Shazeer et al. 2017 (CV²);
/// Mesh TensorFlow (second choices).
pub static LOSSES: Kernel = Kernel {
    name: "losses",
    source: include_str!("../../shaders/losses.wgsl"),
    parts: &[&shader::DIMS],
    product: None,
    bindings: &[Read, Read, Read, Write, Write],
    constants: &["PER_TOKEN"],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [sums, demanded, stats, losses, d_share] = bound(slices);
    let dims = call.dims;
    let e = dims.experts as usize;
    let (experts, tokens, groups) = (dims.experts as f32, dims.group_tokens as f32, dims.groups as f32);
    for g in 0..dims.groups as usize {
        let (sums, _) = sums.f32()[4 * g * e..][..4 * e].as_chunks::<4>();
        let demanded: Vec<f32> = demanded.u32()[g * e..][..e].iter().map(|d| *d as f32).collect();
        let all = demanded.iter().sum::<f32>().max(1.0);
        let assignments = if call.constants.on("PER_TOKEN") { tokens } else { all };
        let lse = stats.f32()[4 * g * dims.group_tokens as usize..].chunks_exact(4).take(dims.group_tokens as usize);
        let balance: f32 = sums.iter().zip(&demanded).map(|(s, d)| d / assignments * s[0]).sum();
        let firsts = tokens * dims.prototypes as f32;
        let balance_first: f32 = sums.iter().map(|s| s[1] / firsts * s[0]).sum();
        let mean = sums.iter().map(|s| s[0]).sum::<f32>() / experts;
        let mean_load = demanded.iter().sum::<f32>() / experts;
        let variance = sums.iter().map(|s| (s[0] - mean) * (s[0] - mean)).sum::<f32>() / experts;
        let variance_load = demanded.iter().map(|d| (d - mean_load) * (d - mean_load)).sum::<f32>() / experts;
        let below = mean * mean + EPSILON;
        losses.f32_mut()[6 * g..][..6].copy_from_slice(&[
            experts * balance / tokens,
            experts * balance_first / tokens,
            lse.map(|s| s[0] * s[0]).sum::<f32>() / tokens,
            variance / below,
            variance_load / (mean_load * mean_load + EPSILON),
            experts * sums.iter().map(|s| s[2] * s[3]).sum::<f32>() / (tokens * tokens),
        ]);
        for (i, d) in d_share.f32_mut()[g * e..][..e].iter_mut().enumerate() {
            let cv = 2.0 * (sums[i][0] - mean) / (experts * below) - 2.0 * variance * mean / (experts * below * below);
            *d = (dims.balance * experts * (demanded[i] / assignments) / tokens
                + dims.balance_first * experts * sums[i][1] / (firsts * tokens)
                + dims.importance * cv)
                / groups;
        }
        let seconds = &mut d_share.f32_mut()[(dims.groups as usize + g) * e..][..e];
        for (d, sums) in seconds.iter_mut().zip(sums) {
            *d = dims.second_place * experts * sums[3] / (tokens * tokens) / groups;
        }
    }
}
