//! The experts' turn after an auction.

use super::auction::{ASKS, GroupScores, larger_first, share};
use super::pairs::sortable;
use super::{Access::*, Call, Kernel, Slice, bound};
use crate::shader;

/// The bar of every expert that more tokens ask than it has room for, or as many: the larger score first, equal ones in the order
/// of tokens, just so many reach it.
///
/// - 1 logits: `f32[2, T, stride]`, 2 `bounds`: `u32[G, 2]`, 3 `places`: `u32[G, K·E]`, 4 `asked`: `u32[G, E]`
/// - 5 `bars`: `u32[G, E, 2]`, cleared by the caller: sortable bits of a score, and the last token with it that reaches the bar
pub static AUCTION_BAR: Kernel = Kernel {
    name: "auction_bar",
    source: include_str!("../../shaders/auction_bar.wgsl"),
    parts: &[&shader::DIMS, &shader::PAIRS, &shader::AUCTION, &shader::SELECT],
    product: None,
    bindings: &[Read, Read, Read, Read, Write],
    constants: &[],
    twin,
};

/// What nobody reaches.
const NOBODY: [u32; 2] = [u32::MAX, 0];

fn twin(call: &Call, slices: &mut [Slice]) {
    let [router, bounds, places, asked, bars] = bound(slices);
    let dims = call.dims;
    let (experts, k) = (dims.experts as usize, share(dims));
    let count = k * experts;
    for g in 0..dims.groups as usize {
        if asked.u32()[g * experts + dims.iteration as usize] == 0 {
            continue;
        }
        let scores = GroupScores::of(dims, router.f32(), bounds.u32(), g);
        let places = &places.u32()[g * count..][..count];
        for e in 0..experts {
            let bar = &mut bars.u32_mut()[2 * (g * experts + e)..][..2];
            let room = k - places.iter().filter(|place| **place == e as u32 + 1).count();
            let mut asking: Vec<usize> = (0..count).filter(|i| places[*i] == ASKS | (e as u32 + 1)).collect();
            asking.sort_by_key(|&i| larger_first(scores.at(i, e)));
            match room.checked_sub(1) {
                None => bar.copy_from_slice(&NOBODY),
                Some(last) if last < asking.len() => {
                    bar.copy_from_slice(&[sortable(scores.at(asking[last], e)), asking[last] as u32]);
                }
                Some(_) => {}
            }
        }
    }
}
