//! Rewards of arms.

use super::{Access::*, Call, DROPPED, Kernel, Slice, bound};
use crate::shader;

/// Counts the pulls of a batch and sums their rewards, for each pair of an id and an expert, in the order of the tokens; those that
/// were turned away count for nothing.
///
/// - 1 `labels`: `u32[2, T]`, ids and the tokens sorted by them, 2 `expert_of`: `u32[T, 1]`, 3 `placement`: `u32[T, columns, 2]`,
///   4 `reward`: `f32[T]`
/// - 5 `earned`: `f32[2, vocabulary, E]`, 0 before
pub static CREDIT: Kernel = Kernel {
    name: "credit",
    source: include_str!("../../shaders/credit.wgsl"),
    parts: &[&shader::DIMS],
    product: None,
    bindings: &[Read, Read, Read, Read, Write],
    constants: &[],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [labels, expert_of, placement, reward, earned] = bound(slices);
    let dims = call.dims;
    let (tokens, experts, columns) = (dims.tokens as usize, dims.experts as usize, dims.columns as usize);
    let (pulls, sums) = earned.f32_mut().split_at_mut(dims.vocabulary as usize * experts);
    for t in (0..tokens).filter(|t| placement.u32()[2 * t * columns + 1] != DROPPED) {
        let arm = labels.u32()[t] as usize * experts + expert_of.u32()[t] as usize;
        pulls[arm] += 1.0;
        sums[arm] += reward.f32()[t];
    }
}
