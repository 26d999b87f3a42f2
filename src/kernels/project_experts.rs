//! Shares of which every expert has its number of tokens.

use super::sinkhorn_tokens::log_sum_exp;
use super::{Access::*, Call, Kernel, Slice, bound};
use crate::shader;

/// First half of an iteration towards bounded shares: of its tokens' shares every expert has `C` in all.
///
/// - 1 scores: `f32[2, T, stride]`, the second half
/// - 2 `shares`: `f32[2, T, stride]`, the second half: their logarithms
///
/// # Source
/// Zhou et al. 2022, section 3.3: Dykstra's algorithm, on logarithms.
pub static PROJECT_EXPERTS: Kernel = Kernel {
    name: "project_experts",
    source: include_str!("../../shaders/project_experts.wgsl"),
    parts: &[&shader::DIMS, &shader::LOG_SUM_EXP],
    product: None,
    bindings: &[Read, Write],
    constants: &[],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [router, shares] = bound(slices);
    let dims = call.dims;
    let (s, stride) = (dims.group_tokens as usize, dims.stride as usize);
    for g in 0..dims.groups as usize {
        for e in 0..dims.experts as usize {
            let places = (0..s).map(|i| (dims.tokens as usize + g * s + i) * stride + e);
            let entry = |at: usize| match dims.iteration {
                0 => router.f32()[at] / dims.epsilon,
                _ => shares.f32()[at],
            };
            let column: Vec<f32> = places.clone().map(entry).collect();
            let step = (dims.slots.min(dims.group_tokens) as f32).ln() - log_sum_exp(&column);
            places.zip(column).for_each(|(at, share)| shares.f32_mut()[at] = share + step);
        }
    }
}
