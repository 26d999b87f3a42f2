//! Tokens that reach their experts' thresholds.

use super::pairs::{HELD, OPEN, is_open, sortable};
use super::{Access::*, Call, Kernel, NONE, Slice, bound};
use crate::shader;

/// Which of the experts that it named each token has: those whose thresholds its keys reach.
///
/// - 1 `keys`: `u32[T, E]`, 2 `thresholds`: `f32[E]`
/// - 3 `pairs`: `u32[T, E]`, 4 `counts`: `u32[G, 1, E]`, cleared by the caller
pub static ADMIT: Kernel = Kernel {
    name: "admit",
    source: include_str!("../../shaders/admit.wgsl"),
    parts: &[&shader::DIMS, &shader::LINEAR, &shader::PAIRS],
    product: None,
    bindings: &[Read, Read, Write, Write],
    constants: &[],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [keys, thresholds, pairs, counts] = bound(slices);
    let (experts, s) = (call.dims.experts as usize, call.dims.group_tokens as usize);
    let pairs = pairs.u32_mut()[..call.dims.tokens as usize * experts].iter_mut();
    for (at, pair) in pairs.enumerate().filter(|(_, pair)| is_open(**pair)) {
        let e = at % experts;
        let admitted = keys.u32()[at] >= sortable(thresholds.f32()[e]);
        *pair = if admitted { *pair - OPEN + HELD } else { NONE };
        counts.u32_mut()[at / experts / s * experts + e] += u32::from(admitted);
    }
}
