//! Keys that thresholds follow.

use super::pairs::{is_open, value_of};
use super::{Access::*, Call, Kernel, Slice, bound};
use crate::shader;

/// The key of the last token that each expert would take of a group, if it took its quota of those that named it; where fewer did, the
/// least key of all tokens.
///
/// - 1 `keys`: `u32[T, E]`, 2 `pairs`: `u32[T, E]`
/// - 3 `last_keys`: `f32[G, E]`
pub static LAST_KEY: Kernel = Kernel {
    name: "last_key",
    source: include_str!("../../shaders/last_key.wgsl"),
    parts: &[&shader::DIMS, &shader::PAIRS, &shader::SELECT],
    product: None,
    bindings: &[Read, Read, Write],
    constants: &[],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [keys, pairs, last_keys] = bound(slices);
    let dims = call.dims;
    let (experts, s) = (dims.experts as usize, dims.group_tokens as usize);
    let last_keys = last_keys.f32_mut()[..dims.groups as usize * experts].iter_mut();
    for (here, last) in last_keys.enumerate() {
        let (g, e) = (here / experts, here % experts);
        let column = || (g * s..(g + 1) * s).map(|t| t * experts + e);
        let mut named: Vec<u32> = column().filter(|at| is_open(pairs.u32()[*at])).map(|at| keys.u32()[at]).collect();
        named.sort_unstable_by(|a, b| b.cmp(a));
        let least = || column().map(|at| keys.u32()[at]).min().unwrap_or(0);
        *last = value_of(named.get(dims.quota as usize - 1).copied().unwrap_or_else(least));
    }
}
