//! The end of a round of bids.

use super::auction::share;
use super::{Access::*, Call, Kernel, Slice, bound};
use crate::shader;

/// Every token goes to its highest bid, of equal ones the lower expert's, and its price rises by it.
///
/// - 1 `bids`: `f32[G, K·E, E]`, or 0
/// - 2 `prices`: `f32[G, K·E]`, 3 `places`: `u32[G, K·E]`, the winner and one, 0 without a bid, 4 `expert_of`: `u32[T, 1]`
/// - 5 `solver`: `u32[G, iterations]`, tokens without a bid, 0 before the round, 6 `grids`: `u32[iterations + E, 4]`, of bids by round,
///   then of bars by turn
pub static AUCTION_AWARD: Kernel = Kernel {
    name: "auction_award",
    source: include_str!("../../shaders/auction_award.wgsl"),
    parts: &[&shader::DIMS, &shader::AUCTION],
    product: None,
    bindings: &[Read, Write, Write, Write, Write, Write],
    constants: &[],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [bids, prices, places, expert_of, solver, grids] = bound(slices);
    let dims = call.dims;
    let (experts, s) = (dims.experts as usize, dims.group_tokens as usize);
    let count = share(dims) * experts;
    let solver = solver.u32_mut();
    for g in 0..dims.groups as usize {
        let state = g * dims.iterations as usize + dims.iteration as usize;
        if dims.iteration > 0 && solver[state - 1] == 0 {
            continue;
        }
        for i in 0..count {
            let at = g * count + i;
            let (mut best, mut winner) = (0.0, 0);
            for (bid, e) in bids.f32()[at * experts..][..experts].iter().zip(1..) {
                if *bid > best {
                    (best, winner) = (*bid, e);
                }
            }
            prices.f32_mut()[at] += best;
            places.u32_mut()[at] = winner;
            if winner == 0 {
                solver[state] += 1;
                if dims.iteration + 1 < dims.iterations {
                    let next = &mut grids.u32_mut()[4 * (dims.iteration + 1) as usize..][..3];
                    next.copy_from_slice(&[dims.experts, dims.groups, 1]);
                }
            } else if i < s {
                expert_of.u32_mut()[g * s + i] = winner - 1;
            }
        }
    }
}
