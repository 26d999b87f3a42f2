//! The experts' bids.

use super::auction::{GroupScores, larger_first, share};
use super::{Access::*, Call, Kernel, Slice, bound};
use crate::shader;

/// A round of bids: what every expert offers for the `K` tokens of the highest value to it, if in the round before any token
/// was left without a bid.
///
/// - 1 logits: `f32[2, T, stride]`, 2 `bounds`: `u32[G, 2]`, 3 `prices`: `f32[G, K·E]`, 4 `places`: `u32[G, K·E]`,
///   5 `solver`: `u32[G, iterations]`, tokens without a bid
/// - 6 `bids`: `f32[G, K·E, E]`, or 0
///
/// # Source
/// Lewis et al. 2021, "BASE Layers", section 3.1; the constants are those of fairseq.
pub static AUCTION_BID: Kernel = Kernel {
    name: "auction_bid",
    source: include_str!("../../shaders/auction_bid.wgsl"),
    parts: &[&shader::DIMS, &shader::PAIRS, &shader::AUCTION, &shader::SELECT],
    product: None,
    bindings: &[Read, Read, Read, Read, Read, Write],
    constants: &[],
    twin,
};

/// Rounds in which experts hold on to what they have won.
const HOLDING: u32 = 100;

fn twin(call: &Call, slices: &mut [Slice]) {
    let [router, bounds, prices, places, solver, bids] = bound(slices);
    let (dims, round) = (call.dims, call.dims.iteration);
    let (experts, k) = (dims.experts as usize, share(dims));
    let count = k * experts;
    for g in 0..dims.groups as usize {
        let before = g * dims.iterations as usize + round as usize;
        if round > 0 && solver.u32()[before - 1] == 0 {
            continue;
        }
        let scores = GroupScores::of(dims, router.f32(), bounds.u32(), g);
        let raise = ((scores.highest - scores.lowest) * 0.02).max(1e-4);
        let (prices, places) = (&prices.f32()[g * count..][..count], &places.u32()[g * count..][..count]);
        let bids = &mut bids.f32_mut()[g * count * experts..][..count * experts];
        for e in 0..experts {
            let held = |i: usize| places[i] == e as u32 + 1;
            let value = |i: usize| match held(i) {
                true if round <= HOLDING => scores.highest,
                true => scores.at(i, e),
                false => scores.at(i, e) - prices[i],
            };
            let values: Vec<f32> = (0..count).map(value).collect();
            let mut order: Vec<_> = (0..count).map(|i| (larger_first(values[i]), !held(i), i)).collect();
            // with one expert there is no next best token, and nothing to outbid
            let (_, &mut (.., next), _) = order.select_nth_unstable(k.min(count - 1));
            let next = values[next];
            bids.iter_mut().skip(e).step_by(experts).for_each(|bid| *bid = 0.0);
            for &(.., i) in &order[..k] {
                let advantage = if held(i) && round < HOLDING { 0.0 } else { values[i] - next };
                bids[i * experts + e] = advantage + raise;
            }
        }
    }
}
