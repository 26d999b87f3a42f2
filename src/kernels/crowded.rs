//! Tokens that too many experts took.

use super::pairs::is_held;
use super::{Access::*, Call, Kernel, Slice, bound};
use crate::shader;

/// How many tokens of a group more experts took than a token should have.
///
/// - 1 `pairs`: `u32[T, E]`
/// - 2 `progress`: `u32[G, 4]`, the last of each group, cleared by the caller
pub static CROWDED: Kernel = Kernel {
    name: "crowded",
    source: include_str!("../../shaders/crowded.wgsl"),
    parts: &[&shader::DIMS, &shader::PAIRS],
    product: None,
    bindings: &[Read, Write],
    constants: &[],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [pairs, progress] = bound(slices);
    let (dims, experts) = (call.dims, call.dims.experts as usize);
    for (t, pairs) in pairs.u32().chunks_exact(experts).take(dims.tokens as usize).enumerate() {
        let held = pairs.iter().filter(|pair| is_held(**pair)).count();
        progress.u32_mut()[4 * (t / dims.group_tokens as usize) + 3] += u32::from(held > dims.nominees as usize);
    }
}
