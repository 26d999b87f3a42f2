//! Importance and load of experts.

use super::{Access::*, Call, Kernel, Slice, bound};
use crate::shader;

/// Importance and load of every expert in every group, tokens and load of every branch.
///
/// - 1 `odds`: `f32[T, E + branches, 2]`
/// - 2 `sums`: `f32[G, E + branches, 2]`
pub static NOISY_SUMS: Kernel = Kernel {
    name: "noisy_sums",
    source: include_str!("../../shaders/noisy_sums.wgsl"),
    parts: &[&shader::DIMS],
    product: None,
    bindings: &[Read, Write],
    constants: &[],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [odds, sums] = bound(slices);
    let (tokens, row) = (call.dims.tokens as usize, 2 * call.dims.logits as usize);
    let sums = &mut sums.f32_mut()[..call.dims.groups as usize * row];
    sums.fill(0.0);
    for (t, odds) in odds.f32().chunks_exact(row).take(tokens).enumerate() {
        let group = &mut sums[t / call.dims.group_tokens as usize * row..][..row];
        group.iter_mut().zip(odds).for_each(|(sum, odds)| *sum += odds);
    }
}
