//! Backward of the noise on logits.

use super::activation::sigmoid;
use super::contests::{contests, count};
use super::noisy::{FIXED, LEARNED, lead, learned_width};
use super::normal::density;
use super::route::finite;
use super::{Access::*, Call, Kernel, NONE, Slice, bound};
use crate::shader;

/// From the gradient of the noisy logits to those of the logits and of what learned widths come from, with what the losses
/// `importance` and `load` add.
///
/// - 1 logits: `f32[2, T, stride]`, 2 `noise`: `f32[T, E + branches]`, 3 `clean`: `f32[T, E + branches]`, 4 `expert_of`: `u32[T, k]`,
///   5 `odds`: `f32[T, E + branches, 2]`, 6 `runner_up`: `u32[T, contests]`, 7 `d_odds`: `f32[G, E + branches, 2]`
/// - 8 `d_logits`: `f32[T, stride]`
pub static NOISY_BACKWARD: Kernel = Kernel {
    name: "noisy_backward",
    source: include_str!("../../shaders/noisy_backward.wgsl"),
    parts: &[&shader::DIMS, &shader::FINITE, &shader::NORMAL, &shader::NOISY, &shader::CONTESTS],
    product: None,
    bindings: &[Read, Read, Read, Read, Read, Read, Read, Write],
    constants: &["NOISE", "LOSSES"],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [router, noise, clean, expert_of, odds, runner_up, d_odds, d_logits] = bound(slices);
    let dims = call.dims;
    let (experts, k, stride) = (dims.experts as usize, dims.choices as usize, dims.stride as usize);
    let (logits, contests_of_token) = (dims.logits as usize, count(dims));
    let of_noise = call.constants.get("NOISE");
    let losses = call.constants.on("LOSSES");
    for t in 0..dims.tokens as usize {
        let row = &router.f32()[t * stride..][..stride];
        let (clean, noise) = (&clean.f32()[t * logits..], &noise.f32()[t * logits..]);
        let d_odds = &d_odds.f32()[t / dims.group_tokens as usize * 2 * logits..];
        let (d_row, d_raw) = d_logits.f32_mut()[t * stride..][..dims.gate_at as usize].split_at_mut(logits);
        // of branches branches_backward has done this
        if losses && dims.branches == 0 {
            let d_shares = d_odds.iter().step_by(2);
            let shares = odds.f32()[2 * t * experts..][..2 * experts].iter().step_by(2);
            let mean: f32 = shares.clone().zip(d_shares.clone()).map(|(share, d)| share * d).sum();
            d_row.iter_mut().zip(shares.zip(d_shares)).for_each(|(d, (share, d_share))| *d += share * (d_share - mean));
        }
        // without noise nothing is learned about its width
        d_raw.fill(0.0);
        if of_noise == LEARNED {
            d_raw.iter_mut().zip(d_row.iter().zip(noise)).for_each(|(d_raw, (d, z))| *d_raw = d * z);
        }
        let runners_up = &runner_up.u32()[t * contests_of_token..][..contests_of_token];
        let by_chance = contests(dims, &expert_of.u32()[t * k..][..k]).zip(runners_up);
        for (contest, next) in by_chance.filter(|(_, next)| losses && of_noise != 0 && **next != NONE) {
            for i in contest.logits.clone() {
                let over = if of_noise == FIXED || contest.is_behind(row, i) { contest.last } else { *next as usize };
                let width = if of_noise == LEARNED { learned_width(dims, row[logits + i]) } else { dims.noise };
                let lead = lead(clean[i], row[over], width);
                let d_lead = d_odds[2 * i + 1] * density(lead) / width;
                d_row[i] += d_lead;
                d_row[over] -= d_lead;
                if of_noise == LEARNED {
                    d_raw[i] -= d_lead * lead;
                    d_raw[over] -= d_lead * noise[over];
                }
            }
        }
        if of_noise == LEARNED {
            d_raw.iter_mut().zip(&row[logits..]).for_each(|(d, n)| *d *= sigmoid(finite(*n)));
        }
    }
}
