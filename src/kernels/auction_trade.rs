//! Trades among the experts of an auction.

use super::auction::{range, share, traded_at};
use super::grids::write_grid;
use super::{Access::*, Call, Kernel, NONE, Slice, bound};
use crate::shader;

/// A round of trades: experts that stand in a circle, each passing its offer on to the next, do so where all of them together gain.
///
/// - 1 `bounds`: `u32[G, 2]`, 2 `gains`: `f32[G, E, E]`, 3 `offered`: `u32[G, E, E]`
/// - 4 `places`: `u32[G, K·E]`, 5 `expert_of`: `u32[T, 1]`, 6 `solver`: `u32[G, iterations]`, then `u32[rounds, G]`, tokens that were
///   traded, cleared by the caller, 7 `grids`: `u32[rounds + 1, 2, 4]`, of offers and trades, by round,
///   8 `traders`: `u32[G, E]`, the last round in which an expert traded and one, or 0
///
/// # Source
/// Klein 1967, "A Primal Method for Minimal Cost Flows": an assignment is the best one if and only if it has no such circle. They are
/// found by Bellman's relaxation.
pub static AUCTION_TRADE: Kernel = Kernel {
    name: "auction_trade",
    source: include_str!("../../shaders/auction_trade.wgsl"),
    parts: &[&shader::DIMS, &shader::AUCTION, &shader::GRIDS],
    product: None,
    bindings: &[Read, Read, Read, Write, Write, Write, Write, Write],
    constants: &[],
    twin,
};

/// Steps of the relaxation.
const STEPS: usize = 12;
/// Experts of the longest circle that is looked for.
const LONGEST: usize = 64;
/// A walk must gain this part of the scores' range to count.
const LEAST_GAIN: f32 = 1.0 / 65536.0;

fn twin(call: &Call, slices: &mut [Slice]) {
    let [bounds, gains, offered, places, expert_of, solver, grids, traders] = bound(slices);
    let (dims, round) = (call.dims, call.dims.iteration as usize);
    let (experts, s) = (dims.experts as usize, dims.group_tokens as usize);
    for g in 0..dims.groups as usize {
        if round > 0 && solver.u32()[traded_at(dims, g, round - 1)] == 0 {
            continue;
        }
        let (highest, lowest) = range(bounds.u32(), g);
        let first = g * experts * experts;
        let enough = (highest - lowest) * LEAST_GAIN;
        let circles = circles(&gains.f32()[first..][..experts * experts], experts, enough);
        if circles.is_empty() {
            continue;
        }
        solver.u32_mut()[traded_at(dims, g, round)] = circles.len() as u32;
        let next = 2 * (dims.iteration + 1);
        write_grid(grids.u32_mut(), next, dims.experts, dims.groups);
        write_grid(grids.u32_mut(), next + 1, dims.groups, 1);
        for (giver, taker) in circles {
            let i = offered.u32()[first + giver * experts + taker] as usize;
            places.u32_mut()[g * share(dims) * experts + i] = taker as u32 + 1;
            traders.u32_mut()[g * experts + taker] = dims.iteration + 1;
            if i < s {
                expert_of.u32_mut()[g * s + i] = taker as u32;
            }
        }
    }
}

/// Who passes to whom: the circles that the first step closes which closes any; `gains`: `[E, E]`, by who gives, then by who takes.
fn circles(gains: &[f32], experts: usize, enough: f32) -> Vec<(usize, usize)> {
    let mut gained = vec![0.0; experts];
    let mut giver_of = vec![NONE as usize; experts];
    for _ in 0..STEPS {
        let before = gained.clone();
        for taker in 0..experts {
            let mut most = before[taker] + enough;
            for giver in (0..experts).filter(|giver| *giver != taker) {
                let gain = before[giver] + gains[giver * experts + taker];
                if gain > most {
                    most = gain;
                    (gained[taker], giver_of[taker]) = (gain, giver);
                }
            }
        }
        let stands_in_one = |taker: usize| {
            let back = std::iter::successors(Some(giver_of[taker]), |e| giver_of.get(*e).copied());
            back.take(LONGEST).any(|e| e == taker)
        };
        let circles: Vec<_> =
            (0..experts).filter(|e| stands_in_one(*e)).map(|taker| (giver_of[taker], taker)).collect();
        if !circles.is_empty() || gained == before {
            return circles;
        }
    }
    Vec::new()
}
