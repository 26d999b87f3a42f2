//! Logits of tokens from those of tasks.

use super::{Access::*, Call, Kernel, Slice, bound};
use crate::shader;

/// Logits of every token: those of its task.
///
/// - 1 `labels`: `u32[T]`, 2 `task_logits`: `f32[tasks, stride]`
/// - 3 logits and scores: `f32[2, T, stride]`, the first half written
///
/// # Source
/// Kudugunta et al. 2021.
pub static SPREAD: Kernel = Kernel {
    name: "spread",
    source: include_str!("../../shaders/spread.wgsl"),
    parts: &[&shader::DIMS, &shader::LINEAR],
    product: None,
    bindings: &[Read, Read, Write],
    constants: &[],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [labels, task_logits, router] = bound(slices);
    let (tokens, stride) = (call.dims.tokens as usize, call.dims.stride as usize);
    for (logits, task) in router.f32_mut().chunks_exact_mut(stride).zip(&labels.u32()[..tokens]) {
        logits.copy_from_slice(&task_logits.f32()[*task as usize * stride..][..stride]);
    }
}
