//! The experts' choices, by token.

use super::{Access::*, Call, Kernel, NONE, Slice, bound};
use crate::shader;

/// Which experts took a token, by number.
///
/// - 1 `pairs`: `u32[T, E]` slot or [`NONE`], 2 scores: `f32[2, T, stride]`
/// - 3 `expert_of`: `u32[T, k]`, 4 `chosen`: `f32[T, columns]`, 5 `place_in_block`: `u32[T, k]`
pub static TAKEN: Kernel = Kernel {
    name: "taken",
    source: include_str!("../../shaders/taken.wgsl"),
    parts: &[&shader::DIMS],
    product: None,
    bindings: &[Read, Read, Write, Write, Write],
    constants: &[],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [pairs, router, expert_of, chosen, place] = bound(slices);
    let dims = call.dims;
    let (experts, k, columns) = (dims.experts as usize, dims.choices as usize, dims.columns as usize);
    for (t, pairs) in pairs.u32().chunks_exact(experts).take(dims.tokens as usize).enumerate() {
        let scores = &router.f32()[(dims.tokens as usize + t) * dims.stride as usize..];
        let by_expert = pairs.iter().enumerate().filter(|(_, slot)| **slot != NONE);
        let rest = std::iter::repeat((NONE, 0.0, 0));
        let all = by_expert.map(|(e, slot)| (e as u32, scores[e], *slot)).chain(rest);
        for (j, (e, score, slot)) in all.take(k).enumerate() {
            expert_of.u32_mut()[t * k + j] = e;
            chosen.f32_mut()[t * columns + j] = score;
            place.u32_mut()[t * k + j] = slot;
        }
    }
}
