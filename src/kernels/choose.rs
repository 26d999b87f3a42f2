//! The experts' turn.

use super::pairs::{HELD, OPEN, is_open};
use super::{Access::*, Call, Kernel, Slice, bound};
use crate::shader;

/// Each expert with room takes the best tokens of a group that are open to it: the larger key first, equal keys to the lower token.
///
/// - 1 `keys`: `u32[T, E]`
/// - 2 `pairs`: `u32[T, E]`, 3 `counts`: `u32[G, 1, E]`, cleared by the caller, 4 `progress`: `u32[G, 4]`
///
/// # Source
/// Zhou et al. 2022, section 3.2; in rounds: Gale and Shapley 1962.
pub static CHOOSE: Kernel = Kernel {
    name: "choose",
    source: include_str!("../../shaders/choose.wgsl"),
    parts: &[&shader::DIMS, &shader::PAIRS, &shader::SELECT],
    product: None,
    bindings: &[Read, Write, Write, Write],
    constants: &["IMMEDIATE", "ARRIVAL"],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [keys, pairs, counts, progress] = bound(slices);
    let (dims, immediate) = (call.dims, call.constants.on("IMMEDIATE"));
    let (experts, s, round) = (dims.experts as usize, dims.group_tokens as usize, dims.iteration);
    let (keys, pairs) = (keys.u32(), pairs.u32_mut());
    for g in 0..dims.groups as usize {
        let progress = &mut progress.u32_mut()[4 * g..][..4];
        let settled = !immediate && round > 0 && progress[((round + 1) & 1) as usize] == 0;
        progress[(round & 1) as usize] = 0;
        if settled {
            continue;
        }
        progress[2] = round + 1;
        for e in 0..experts {
            let count = &mut counts.u32_mut()[g * experts + e];
            let free = (dims.slots.min(dims.group_tokens) - *count) as usize;
            if free == 0 {
                continue;
            }
            let candidate = |pair: u32| if immediate { pair == OPEN + round } else { is_open(pair) };
            let mut order: Vec<usize> =
                (g * s..(g + 1) * s).map(|t| t * experts + e).filter(|at| candidate(pairs[*at])).collect();
            if free < order.len() {
                order.select_nth_unstable_by_key(free, |at| (!keys[*at], *at));
                order.truncate(free);
            }
            *count += order.len() as u32;
            order.into_iter().for_each(|at| pairs[at] = pairs[at] - OPEN + HELD);
        }
    }
}
