//! Backward of the noise on logits.

use super::activation::sigmoid;
use super::noisy::{FIXED, LEARNED, is_behind, lead, learned_width};
use super::normal::density;
use super::route::finite;
use super::{Access::*, Call, Kernel, NONE, Slice, bound};
use crate::shader;

/// From the gradient of the noisy logits to those of the logits and of what learned widths come from, with what the losses
/// `importance` and `load` add.
///
/// - 1 logits: `f32[2, T, stride]`, 2 `noise`: `f32[T, E]`, 3 `clean`: `f32[T, E]`, 4 `expert_of`: `u32[T, k]`,
///   5 `odds`: `f32[T, E, 2]`, 6 `runner_up`: `u32[T]`, 7 `d_odds`: `f32[G, E, 2]`
/// - 8 `d_logits`: `f32[T, stride]`
pub static NOISY_BACKWARD: Kernel = Kernel {
    name: "noisy_backward",
    source: include_str!("../../shaders/noisy_backward.wgsl"),
    parts: &[&shader::DIMS, &shader::FINITE, &shader::NORMAL, &shader::NOISY],
    product: None,
    bindings: &[Read, Read, Read, Read, Read, Read, Read, Write],
    constants: &["NOISE", "LOSSES", "SELECTED"],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [router, noise, clean, expert_of, odds, runner_up, d_odds, d_logits] = bound(slices);
    let dims = call.dims;
    let (experts, k, stride) = (dims.experts as usize, dims.choices as usize, dims.stride as usize);
    let of_noise = call.constants.get("NOISE");
    for t in 0..dims.tokens as usize {
        let row = &router.f32()[t * stride..][..stride];
        let d_row = &mut d_logits.f32_mut()[t * stride..][..dims.gate_at as usize];
        let (d_noisy, d_raw) = d_row.split_at_mut(experts);
        let mut d_clean = vec![0.0; experts];
        let mut d_width = vec![0.0; experts];
        if call.constants.on("LOSSES") {
            let d_odds = &d_odds.f32()[t / dims.group_tokens as usize * 2 * experts..][..2 * experts];
            let shares = odds.f32()[2 * t * experts..][..2 * experts].iter().step_by(2);
            let mean: f32 = shares.clone().zip(d_odds.iter().step_by(2)).map(|(share, d)| share * d).sum();
            for (e, share) in shares.enumerate() {
                let of_share = if call.constants.on("SELECTED") { &mut d_noisy[e] } else { &mut d_clean[e] };
                *of_share += share * (d_odds[2 * e] - mean);
            }
            let last = expert_of.u32()[(t + 1) * k - 1] as usize;
            let next = runner_up.u32()[t];
            if of_noise != 0 && next != NONE {
                for e in 0..experts {
                    let behind = is_behind((row[e], e), (row[last], last));
                    let over = if of_noise == FIXED || behind { last } else { next as usize };
                    let width = if of_noise == LEARNED { learned_width(dims, row[experts + e]) } else { dims.noise };
                    let lead = lead(clean.f32()[t * experts + e], row[over], width);
                    let d_lead = d_odds[2 * e + 1] * density(lead) / width;
                    d_clean[e] += d_lead;
                    d_noisy[over] -= d_lead;
                    d_width[e] -= d_lead * lead;
                }
            }
        }
        d_raw.fill(0.0);
        if of_noise == LEARNED {
            for (e, d) in d_raw.iter_mut().enumerate() {
                let through = d_noisy[e] * noise.f32()[t * experts + e];
                *d = (through + d_width[e]) * sigmoid(finite(row[experts + e]));
            }
        }
        d_noisy.iter_mut().zip(d_clean).for_each(|(d, clean)| *d += clean);
    }
}
