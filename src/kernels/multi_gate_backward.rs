//! Backward of the gates of several tasks.

use super::{Access::*, Call, Kernel, NONE, Slice, bound};
use crate::shader;

/// Gradient of every task's logits. Which experts a task took is a constant.
///
/// - 1 softmax of each task, behind the logits: `f32[2, T, stride]`, 2 `expert_of`: `u32[T, k]`,
///   3 `chosen`: `f32[tasks, T, columns]`, 4 `d_weight`: `f32[tasks, T, columns]`
/// - 5 `d_logits`: `f32[T, stride]`
pub static MULTI_GATE_BACKWARD: Kernel = Kernel {
    name: "multi_gate_backward",
    source: include_str!("../../shaders/multi_gate_backward.wgsl"),
    parts: &[&shader::DIMS],
    product: None,
    bindings: &[Read, Read, Read, Read, Write],
    constants: &["SHARED_GATE"],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [router, expert_of, chosen, d_weight, d_logits] = bound(slices);
    let dims = call.dims;
    let (tokens, experts, stride) = (dims.tokens as usize, dims.experts as usize, dims.stride as usize);
    let (k, columns, gate) = (dims.choices as usize, dims.columns as usize, dims.gate_at as usize);
    let scores = &router.f32()[tokens * stride..];
    for t in 0..tokens {
        let d_logits = &mut d_logits.f32_mut()[t * stride..][..stride];
        d_logits[gate..].fill(0.0);
        let mut d_gate = 0.0;
        for task in 0..dims.tasks as usize {
            let own = (task * tokens + t) * columns;
            let (chosen, d_weight) = (&chosen.f32()[own..][..columns], &d_weight.f32()[own..][..columns]);
            let d = &mut d_logits[task * experts..][..experts];
            let inner: f32 = chosen[..k].iter().zip(d_weight).map(|(c, d)| c * d).sum();
            d.iter_mut().zip(&scores[t * stride + task * experts..]).for_each(|(d, p)| *d = -p * inner);
            for (j, e) in expert_of.u32()[t * k..][..k].iter().enumerate().filter(|(_, e)| **e != NONE) {
                d[*e as usize] += chosen[j] * d_weight[j];
            }
            d_gate += d_weight[k..].iter().sum::<f32>();
        }
        if call.constants.on("SHARED_GATE") {
            let s = chosen.f32()[t * columns + k];
            d_logits[gate] = s * (1.0 - s) * d_gate;
        }
    }
}
