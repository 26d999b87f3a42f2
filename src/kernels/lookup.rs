//! Experts by label.

use super::activation::sigmoid;
use super::{Access::*, Call, Kernel, Slice, bound};
use crate::shader;

/// The experts of every token, from its label: choice `j` is the expert of run `j` that table `j` names.
///
/// - 1 `labels`: `u32[T]`, 2 `tables`: `u32[k, vocabulary]`, 3 logits: `f32[2, T, stride]`
/// - 4 `expert_of`: `u32[T, k]`, 5 `chosen`: `f32[T, columns]`, 6 `stats`: `f32[T, 4]`
///
/// # Source
/// Roller et al. 2021.
pub static LOOKUP: Kernel = Kernel {
    name: "lookup",
    source: include_str!("../../shaders/lookup.wgsl"),
    parts: &[&shader::DIMS],
    product: None,
    bindings: &[Read, Read, Read, Write, Write, Write],
    constants: &["SHARED_GATE"],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [labels, tables, router, expert_of, chosen, stats] = bound(slices);
    let dims = call.dims;
    let (k, columns) = (dims.choices as usize, dims.columns as usize);
    for (t, label) in labels.u32()[..dims.tokens as usize].iter().enumerate() {
        stats.f32_mut()[4 * t..][..4].fill(0.0);
        for (j, e) in expert_of.u32_mut()[t * k..][..k].iter_mut().enumerate() {
            let j = j as u32;
            *e = j * (dims.experts / dims.choices) + tables.u32()[(j * dims.vocabulary + label) as usize];
        }
        let chosen = &mut chosen.f32_mut()[t * columns..][..columns];
        let logit = router.f32()[t * dims.stride as usize + dims.gate_at as usize];
        chosen[..k].fill(1.0);
        chosen[k..].fill(if call.constants.on("SHARED_GATE") { sigmoid(logit) } else { 1.0 });
    }
}
