//! Backward of the softmax over tokens.

use super::activation::exp;
use super::{Access::*, Call, Kernel, Slice, bound};
use crate::shader;

/// Gradient of the logits through each expert's softmax over the tokens of a group, and of the z-loss.
///
/// - 1 logits and scores: `f32[2, T, stride]`, 2 `stats`: `f32[T, 4]`
/// - 3 `d_logits`: `f32[T, stride]`, in each score times its gradient
pub static COLUMN_BACKWARD: Kernel = Kernel {
    name: "column_backward",
    source: include_str!("../../shaders/column_backward.wgsl"),
    parts: &[&shader::DIMS],
    product: None,
    bindings: &[Read, Read, Write],
    constants: &[],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [router, stats, d_logits] = bound(slices);
    let dims = call.dims;
    let (s, stride) = (dims.group_tokens as usize, dims.stride as usize);
    let (logits, scores) = router.f32().split_at(dims.tokens as usize * stride);
    let d_logits = d_logits.f32_mut();
    for g in 0..dims.groups as usize {
        for e in 0..dims.experts as usize {
            let column = g * s..(g + 1) * s;
            let inner: f32 = column.clone().map(|t| d_logits[t * stride + e]).sum();
            for t in column {
                let (at, lse) = (t * stride + e, stats.f32()[4 * t]);
                let z = dims.z * 2.0 / dims.tokens as f32 * lse * exp(logits[at] - lse);
                d_logits[at] += z - scores[at] * inner;
            }
        }
    }
}
