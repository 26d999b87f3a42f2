//! Slots of the tokens that experts took.

use super::pairs::{HELD, is_held};
use super::sort::sort_lines;
use super::{Access::*, Call, Kernel, NONE, Slice, bound};
use crate::shader;

/// Slots of the tokens that each expert has: the larger key first, equal keys in the order of tokens.
///
/// - 1 `keys`: `u32[T, E]`
/// - 2 `pairs`: `u32[T, E]`, out slot or [`NONE`], 3 `lines`: `u32[2, G, E, min(C, S), 2]`, 4 `progress`: `u32[G, 4]`
/// - 5 `solver`: `f32[G, 4]` rounds made, tokens that left in the last one, tokens with too many experts
pub static LINE_UP: Kernel = Kernel {
    name: "line_up",
    source: include_str!("../../shaders/line_up.wgsl"),
    parts: &[&shader::DIMS, &shader::PAIRS, &shader::SORT],
    product: None,
    bindings: &[Read, Write, Write, Read, Write],
    constants: &["BY_ROUND", "ARRIVAL"],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [keys, pairs, lines, progress, solver] = bound(slices);
    let dims = call.dims;
    let (experts, s) = (dims.experts as usize, dims.group_tokens as usize);
    let places = dims.slots.min(dims.group_tokens) as usize;
    let pairs = pairs.u32_mut();
    let (halves, _) = lines.u32_mut().as_chunks_mut::<2>();
    let (even, odd) = halves.split_at_mut(dims.groups as usize * experts * places);
    let first_digit = if call.constants.on("ARRIVAL") { 8 } else { 0 };
    let rank_digits = if call.constants.on("BY_ROUND") { (35 - (dims.nominees - 1).leading_zeros()) / 4 } else { 0 };
    let passes = 8 - first_digit + rank_digits;
    for here in 0..dims.groups as usize * experts {
        let (g, e) = (here / experts, here % experts);
        let (line, other) = (&mut even[here * places..][..places], &mut odd[here * places..][..places]);
        let mut all = 0;
        for t in g * s..(g + 1) * s {
            if is_held(pairs[t * experts + e]) {
                line[all] = [!keys.u32()[t * experts + e], t as u32];
                all += 1;
            } else {
                pairs[t * experts + e] = NONE;
            }
        }
        let (line, other) = (&mut line[..all], &mut other[..all]);
        // of the key, unless these are equal, then of the rank
        sort_lines(line, other, passes, |[key, token], pass| match first_digit + pass {
            place @ 0..8 => key >> (4 * place) & 15,
            place => (pairs[token as usize * experts + e] - HELD) >> (4 * (place - 8)) & 15,
        });
        let line = if passes.is_multiple_of(2) { line } else { other };
        line.iter().zip(0..).for_each(|(line, slot)| pairs[line[1] as usize * experts + e] = slot);
    }
    for (progress, solver) in progress.u32().chunks_exact(4).zip(solver.f32_mut().chunks_exact_mut(4)) {
        let left = progress[((progress[2] + 1) & 1) as usize];
        solver.copy_from_slice(&[progress[2] as f32, left as f32, progress[3] as f32, 0.0]);
    }
}
