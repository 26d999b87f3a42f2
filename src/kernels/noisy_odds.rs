//! What tokens add to importance and load.

use super::activation::exp;
use super::contests::{contests, count};
use super::noisy::{FIXED, LEARNED, lead, learned_width};
use super::normal::cdf;
use super::{Access::*, Call, Kernel, NONE, Slice, bound};
use crate::shader;

/// What a token adds to the importance of every expert (its weights, or the shares of its logits without noise) and to its load
/// (the chance that it would be chosen if the noise on its logit were drawn again); of every branch, whether it is chosen, and its load.
///
/// - 1 logits: `f32[2, T, stride]`, 2 `clean`: `f32[T, E + branches]`, 3 `expert_of`: `u32[T, k]`, 4 `chosen`: `f32[T, columns]`
/// - 5 `odds`: `f32[T, E + branches, 2]`, 6 `runner_up`: `u32[T, contests]`, the best logit that was not chosen, or [`NONE`]
///
/// # Source
/// Shazeer et al. 2017, appendices A and B; Riquelme et al. 2021 (V-MoE), appendix A.
pub static NOISY_ODDS: Kernel = Kernel {
    name: "noisy_odds",
    source: include_str!("../../shaders/noisy_odds.wgsl"),
    parts: &[&shader::DIMS, &shader::FINITE, &shader::NORMAL, &shader::NOISY, &shader::CONTESTS],
    product: None,
    bindings: &[Read, Read, Read, Read, Write, Write],
    constants: &["NOISE", "SELECTED"],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [router, clean, expert_of, chosen, odds, runner_up] = bound(slices);
    let dims = call.dims;
    let (experts, k, stride) = (dims.experts as usize, dims.choices as usize, dims.stride as usize);
    let (logits, contests_of_token) = (dims.logits as usize, count(dims));
    let (noise, selected) = (call.constants.get("NOISE"), call.constants.on("SELECTED"));
    for t in 0..dims.tokens as usize {
        let row = &router.f32()[t * stride..][..stride];
        let clean = if noise == 0 { &row[..logits] } else { &clean.f32()[t * logits..][..logits] };
        let experts_of = &expert_of.u32()[t * k..][..k];
        let odds = &mut odds.f32_mut()[2 * t * logits..][..2 * logits];
        let runners_up = &mut runner_up.u32_mut()[t * contests_of_token..][..contests_of_token];
        odds[..2 * experts].fill(0.0);
        for (contest, runner_up) in contests(dims, experts_of).zip(runners_up) {
            let next = contest.runner_up(row);
            *runner_up = next.map_or(NONE, |i| i as u32);
            let last = row[contest.last];
            for i in contest.logits.clone() {
                let behind = contest.is_behind(row, i);
                let taken = f32::from(!behind);
                let chance = match (noise, next) {
                    (LEARNED, Some(next)) => {
                        let threshold = if behind { last } else { row[next] };
                        cdf(lead(clean[i], threshold, learned_width(dims, row[logits + i])))
                    }
                    (FIXED, Some(_)) => cdf(lead(clean[i], last, dims.noise)),
                    _ => taken,
                };
                odds[2 * i..][..2].copy_from_slice(&[taken, chance]);
            }
        }
        let importance = odds[..2 * experts].iter_mut().step_by(2);
        if selected {
            importance.for_each(|share| *share = 0.0);
            let weights = &chosen.f32()[t * dims.columns as usize..];
            experts_of.iter().zip(weights).for_each(|(e, weight)| odds[2 * *e as usize] = *weight);
        } else {
            let largest = clean[..experts].iter().copied().fold(f32::MIN, f32::max);
            let sum: f32 = clean[..experts].iter().map(|c| exp(c - largest)).sum();
            importance.zip(clean).for_each(|(share, c)| *share = exp(c - largest) / sum);
        }
    }
}
