//! Softmax over tokens.

use super::activation::exp;
use super::{Access::*, Call, Kernel, Slice, bound};
use crate::shader;

/// Scores as each expert's softmax over the tokens of a group, in place of each token's over experts.
///
/// - 1 logits and scores: `f32[2, T, stride]`
///
/// # Source
/// `expert_selection` of Mesh TensorFlow.
pub static COLUMN_SCORES: Kernel = Kernel {
    name: "column_scores",
    source: include_str!("../../shaders/column_scores.wgsl"),
    parts: &[&shader::DIMS, &shader::LOG_SUM_EXP],
    product: None,
    bindings: &[Write],
    constants: &[],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [router] = bound(slices);
    let dims = call.dims;
    let (s, stride) = (dims.group_tokens as usize, dims.stride as usize);
    let (logits, scores) = router.f32_mut().split_at_mut(dims.tokens as usize * stride);
    for g in 0..dims.groups as usize {
        for e in 0..dims.experts as usize {
            let column = (g * s..(g + 1) * s).map(|t| t * stride + e);
            let largest = column.clone().map(|at| logits[at]).fold(f32::MIN, f32::max);
            let total: f32 = column.clone().map(|at| exp(logits[at] - largest)).sum();
            column.for_each(|at| scores[at] = exp(logits[at] - largest) / total);
        }
    }
}
