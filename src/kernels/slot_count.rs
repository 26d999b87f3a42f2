//! Places of assignments within blocks, by arrival.

use super::{Access::*, Call, DECLINED, Kernel, Slice, bound};
use crate::shader;

/// Assignments of a block (override BLOCK).
pub const BLOCK: u32 = 128;

/// Place of every assignment among those of its expert in its block, and the blocks' counts.
///
/// - 1 `expert_of`: `u32[T, k]`, 2 `place_in_block`: `u32[T, k]`
/// - 3 `counts`: `u32[G, blocks, E]`, cleared by the caller
pub static SLOT_COUNT: Kernel = Kernel {
    name: "slot_count",
    source: include_str!("../../shaders/slot_count.wgsl"),
    parts: &[&shader::DIMS],
    product: None,
    bindings: &[Read, Write, Write],
    constants: &["BY_TOKEN", "BLOCK"],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [expert_of, place, counts] = bound(slices);
    let (s, k, e) = (call.dims.group_tokens as usize, call.dims.choices as usize, call.dims.experts as usize);
    for g in 0..call.dims.groups as usize {
        for p in 0..s * k {
            let own = if call.constants.on("BY_TOKEN") { g * s * k + p } else { (g * s + p % s) * k + p / s };
            let block = g * call.dims.blocks as usize + p / call.constants.get("BLOCK") as usize;
            let expert = expert_of.u32()[own];
            if expert < DECLINED {
                let count = &mut counts.u32_mut()[block * e + expert as usize];
                place.u32_mut()[own] = *count;
                *count += 1;
            }
        }
    }
}
