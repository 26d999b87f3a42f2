//! Experts by label.

use super::activation::sigmoid;
use super::{Access::*, Call, Kernel, NONE, Slice, bound};
use crate::shader;

/// The experts of every token, from its label: choice `j` is the expert of run `j` that table `j` names; or, where experts are
/// mixed, those that weigh anything.
///
/// - 1 `labels`: `u32[T]`, or `f32[T, E]` of experts that are mixed, 2 `tables`: `u32[k, vocabulary]`, 3 logits: `f32[2, T, stride]`
/// - 4 `expert_of`: `u32[T, k]`, 5 `chosen`: `f32[T, columns]`, 6 `stats`: `f32[T, 4]`
///
/// # Source
/// Roller et al. 2021; Gururangan et al. 2021.
pub static LOOKUP: Kernel = Kernel {
    name: "lookup",
    source: include_str!("../../shaders/lookup.wgsl"),
    parts: &[&shader::DIMS],
    product: None,
    bindings: &[Read, Read, Read, Write, Write, Write],
    constants: &["MIXED", "SHARED_GATE"],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [labels, tables, router, expert_of, chosen, stats] = bound(slices);
    let dims = call.dims;
    let (k, columns, experts) = (dims.choices as usize, dims.columns as usize, dims.experts as usize);
    for t in 0..dims.tokens as usize {
        stats.f32_mut()[4 * t..][..4].fill(0.0);
        let expert_of = &mut expert_of.u32_mut()[t * k..][..k];
        let chosen = &mut chosen.f32_mut()[t * columns..][..columns];
        if call.constants.on("MIXED") {
            expert_of.fill(NONE);
            chosen[..k].fill(0.0);
            let weights = (0..).zip(&labels.f32()[t * experts..][..experts]);
            for (j, (e, weight)) in weights.filter(|(_, weight)| **weight > 0.0).enumerate() {
                (expert_of[j], chosen[j]) = (e, *weight);
            }
        } else {
            let label = labels.u32()[t];
            for (j, e) in (0..).zip(&mut *expert_of) {
                *e = j * (dims.experts / dims.choices) + tables.u32()[(j * dims.vocabulary + label) as usize];
            }
            chosen[..k].fill(1.0);
        }
        let logit = router.f32()[t * dims.stride as usize + dims.gate_at as usize];
        chosen[k..].fill(if call.constants.on("SHARED_GATE") { sigmoid(logit) } else { 1.0 });
    }
}
