//! What the experts of an auction could trade.

use super::auction::{GroupScores, owner, share};
use super::{Access::*, Call, Kernel, Slice, bound};
use crate::shader;

/// Of every two experts, the token of the one that gains most with the other; of equal gains the lower token. Those of an expert
/// that did not trade in the round before are as they were.
///
/// - 1 logits: `f32[2, T, stride]`, 2 `bounds`: `u32[G, 2]`, 3 `places`: `u32[G, K·E]`,
///   4 `traders`: `u32[G, E]`, the last round in which an expert traded and one, or 0
/// - 5 `gains`: `f32[G, E, E]`, by who gives, then by who takes, 6 `offered`: `u32[G, E, E]`, tokens
pub static AUCTION_OFFERS: Kernel = Kernel {
    name: "auction_offers",
    source: include_str!("../../shaders/auction_offers.wgsl"),
    parts: &[&shader::DIMS, &shader::AUCTION],
    product: None,
    bindings: &[Read, Read, Read, Read, Write, Write],
    constants: &[],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [router, bounds, places, traders, gains, offered] = bound(slices);
    let dims = call.dims;
    let experts = dims.experts as usize;
    let count = share(dims) * experts;
    for g in 0..dims.groups as usize {
        let scores = GroupScores::of(dims, router.f32(), bounds.u32(), g);
        let at = g * experts * experts..(g + 1) * experts * experts;
        let (gains, offered) = (&mut gains.f32_mut()[at.clone()], &mut offered.u32_mut()[at]);
        let traders = &traders.u32()[g * experts..][..experts];
        let is_new = |giver: usize| traders[giver] == dims.iteration;
        for giver in (0..experts).filter(|giver| is_new(*giver)) {
            gains[giver * experts..][..experts].fill(f32::NEG_INFINITY);
        }
        for (i, place) in places.u32()[g * count..][..count].iter().enumerate() {
            let giver = owner(*place);
            if !is_new(giver) {
                continue;
            }
            let kept = scores.at(i, giver);
            for taker in 0..experts {
                let (gain, at) = (scores.at(i, taker) - kept, giver * experts + taker);
                if gain > gains[at] {
                    (gains[at], offered[at]) = (gain, i as u32);
                }
            }
        }
    }
}
