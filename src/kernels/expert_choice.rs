//! The experts' choices.

use super::{Access::*, Call, Kernel, NONE, Slice, bound};
use crate::shader;

/// Every expert's best tokens of a group, and their slots, best first: larger score first, equal scores to the lower token.
///
/// - 1 scores: `f32[2, T, stride]`
/// - 2 `taken`: `u32[T, E]` slot or [`NONE`], 3 `counts`: `u32[G, 1, E]`
///
/// # Source
/// Zhou et al. 2022, section 3.2.
pub static EXPERT_CHOICE: Kernel = Kernel {
    name: "expert_choice",
    source: include_str!("../../shaders/expert_choice.wgsl"),
    parts: &[&shader::DIMS],
    product: None,
    bindings: &[Read, Write, Write],
    constants: &[],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [router, taken, counts] = bound(slices);
    let dims = call.dims;
    let (experts, s) = (dims.experts as usize, dims.group_tokens as usize);
    let count = s.min(dims.slots as usize);
    let taken = &mut taken.u32_mut()[..dims.tokens as usize * experts];
    taken.fill(NONE);
    for g in 0..dims.groups as usize {
        for e in 0..experts {
            let score = |t: &usize| router.f32()[(dims.tokens as usize + t) * dims.stride as usize + e];
            let mut order: Vec<usize> = (g * s..(g + 1) * s).collect();
            order.sort_by(|a, b| score(b).total_cmp(&score(a)));
            order[..count].iter().enumerate().for_each(|(slot, t)| taken[t * experts + e] = slot as u32);
            counts.u32_mut()[g * experts + e] = count as u32;
        }
    }
}
