//! Gradients of tasks' logits from those of tokens.

use super::{Access::*, Call, Kernel, Slice, bound};
use crate::shader;

/// Gradient of the logits of every task: the sum over its tokens, in their order.
///
/// - 1 `labels`: `u32[T]`, 2 `d_logits`: `f32[T, stride]`
/// - 3 `d_task_logits`: `f32[tasks, stride]`
///
/// # Source
/// Kudugunta et al. 2021.
pub static GATHER_TASKS: Kernel = Kernel {
    name: "gather_tasks",
    source: include_str!("../../shaders/gather_tasks.wgsl"),
    parts: &[&shader::DIMS],
    product: None,
    bindings: &[Read, Read, Write],
    constants: &[],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [labels, d_logits, d_task_logits] = bound(slices);
    let (tokens, stride) = (call.dims.tokens as usize, call.dims.stride as usize);
    let sums = &mut d_task_logits.f32_mut()[..call.dims.vocabulary as usize * stride];
    sums.fill(0.0);
    for (task, d) in labels.u32()[..tokens].iter().zip(d_logits.f32().chunks_exact(stride)) {
        sums[*task as usize * stride..][..stride].iter_mut().zip(d).for_each(|(sum, d)| *sum += d);
    }
}
