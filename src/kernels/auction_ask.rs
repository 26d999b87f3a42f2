//! The tokens' turn after an auction.

use super::auction::{ASKS, GroupScores, share};
use super::pairs::sortable;
use super::{Access::*, Call, Kernel, Slice, bound};
use crate::shader;

/// Where an auction ended without a bid on every token, each such token asks the expert of its highest score, of those whose bar
/// it reaches; of equal scores the lower expert.
///
/// - 1 logits: `f32[2, T, stride]`, 2 `bounds`: `u32[G, 2]`, 3 `bars`: `u32[G, E, 2]`, 4 `solver`: `u32[G, iterations]`
/// - 5 `places`: `u32[G, K·E]`, 6 `expert_of`: `u32[T, 1]`, 7 `asked`: `u32[G, E]`, tokens that asked anew in each turn,
///   8 `grids`: `u32[iterations + E, 4]`, as in `auction_award`
///
/// # Source
/// Gale and Shapley 1962; their result is that of giving pairs away by descending score, as both sides rank by it.
pub static AUCTION_ASK: Kernel = Kernel {
    name: "auction_ask",
    source: include_str!("../../shaders/auction_ask.wgsl"),
    parts: &[&shader::DIMS, &shader::PAIRS, &shader::AUCTION],
    product: None,
    bindings: &[Read, Read, Read, Read, Write, Write, Write, Write],
    constants: &[],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [router, bounds, bars, solver, places, expert_of, asked, grids] = bound(slices);
    let dims = call.dims;
    let (experts, s) = (dims.experts as usize, dims.group_tokens as usize);
    let count = share(dims) * experts;
    for g in 0..dims.groups as usize {
        let turn = g * experts + dims.iteration as usize;
        let over = solver.u32()[(g + 1) * dims.iterations as usize - 1] == 0;
        if over || dims.iteration > 0 && asked.u32()[turn - 1] == 0 {
            continue;
        }
        let scores = GroupScores::of(dims, router.f32(), bounds.u32(), g);
        let bars = &bars.u32()[2 * g * experts..][..2 * experts];
        for i in 0..count {
            let place = &mut places.u32_mut()[g * count + i];
            if *place != 0 && *place & ASKS == 0 {
                continue;
            }
            let (mut best, mut wish) = (0, 0);
            for (e, bar) in bars.chunks_exact(2).enumerate() {
                let bits = sortable(scores.at(i, e));
                let reaches = bits > bar[0] || bits == bar[0] && i as u32 <= bar[1];
                if reaches && bits > best {
                    (best, wish) = (bits, e as u32);
                }
            }
            if *place != ASKS | (wish + 1) {
                *place = ASKS | (wish + 1);
                asked.u32_mut()[turn] += 1;
                let answer = &mut grids.u32_mut()[4 * (dims.iterations + dims.iteration) as usize..][..3];
                answer.copy_from_slice(&[dims.experts, dims.groups, 1]);
                if i < s {
                    expert_of.u32_mut()[g * s + i] = wish;
                }
            }
        }
    }
}
