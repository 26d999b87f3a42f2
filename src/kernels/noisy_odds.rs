//! What tokens add to importance and load.

use super::activation::exp;
use super::noisy::{FIXED, LEARNED, is_behind, lead, learned_width};
use super::normal::cdf;
use super::{Access::*, Call, Kernel, NONE, Slice, bound};
use crate::shader;

/// What a token adds to the importance of every expert (its weights, or the shares of its logits without noise) and to its load
/// (the chance that it would be chosen if the noise on its logit were drawn again).
///
/// - 1 logits: `f32[2, T, stride]`, 2 `clean`: `f32[T, E]`, 3 `expert_of`: `u32[T, k]`, 4 `chosen`: `f32[T, columns]`
/// - 5 `odds`: `f32[T, E, 2]`, 6 `runner_up`: `u32[T]`, the best expert that was not chosen, or [`NONE`]
///
/// # Source
/// Shazeer et al. 2017, appendix A; Riquelme et al. 2021 (V-MoE), appendix A.
pub static NOISY_ODDS: Kernel = Kernel {
    name: "noisy_odds",
    source: include_str!("../../shaders/noisy_odds.wgsl"),
    parts: &[&shader::DIMS, &shader::FINITE, &shader::NORMAL, &shader::NOISY],
    product: None,
    bindings: &[Read, Read, Read, Read, Write, Write],
    constants: &["NOISE", "SELECTED"],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [router, clean, expert_of, chosen, odds, runner_up] = bound(slices);
    let dims = call.dims;
    let (experts, k, stride) = (dims.experts as usize, dims.choices as usize, dims.stride as usize);
    let (noise, selected) = (call.constants.get("NOISE"), call.constants.on("SELECTED"));
    for t in 0..dims.tokens as usize {
        let row = &router.f32()[t * stride..][..stride];
        let clean = if noise == 0 { &row[..experts] } else { &clean.f32()[t * experts..][..experts] };
        let experts_of = &expert_of.u32()[t * k..][..k];
        let last = (row[experts_of[k - 1] as usize], experts_of[k - 1] as usize);
        let behind = |e: usize| is_behind((row[e], e), last);
        let next = (0..experts).filter(|e| behind(*e)).reduce(|best, e| if row[e] > row[best] { e } else { best });
        runner_up.u32_mut()[t] = next.map_or(NONE, |e| e as u32);

        let largest = clean.iter().copied().fold(f32::MIN, f32::max);
        let sum: f32 = clean.iter().map(|c| exp(c - largest)).sum();
        let odds = &mut odds.f32_mut()[2 * t * experts..][..2 * experts];
        for (e, odds) in odds.chunks_exact_mut(2).enumerate() {
            let chance = match (noise, next) {
                (LEARNED, Some(next)) => {
                    let threshold = if behind(e) { last.0 } else { row[next] };
                    cdf(lead(clean[e], threshold, learned_width(dims, row[experts + e])))
                }
                (FIXED, Some(_)) => cdf(lead(clean[e], last.0, dims.noise)),
                _ => f32::from(!behind(e)),
            };
            odds.copy_from_slice(&[if selected { 0.0 } else { exp(clean[e] - largest) / sum }, chance]);
        }
        if selected {
            let weights = &chosen.f32()[t * dims.columns as usize..];
            experts_of.iter().zip(weights).for_each(|(e, weight)| odds[2 * *e as usize] = *weight);
        }
    }
}
