//! Backward of the weights and of the auxiliary losses, to the logits.

use super::activation::exp;
use super::{Access::*, Call, DECLINED, DROPPED, Kernel, NONE, Slice, bound};
use crate::shader;

/// Gradient of the logits. Which experts were chosen and kept is a constant.
///
/// - 1 logits and scores: `f32[2, T, stride]`, 2 `stats`: `f32[T, 4]`, 3 `expert_of`: `u32[T, k]`, 4 `chosen`: `f32[T, columns]`,
///   5 `placement`: `u32[T, columns, 2]`, 6 `d_weight`: `f32[T, columns]`, 7 `d_share`: `f32[2, G, E]`
/// - 8 `d_logits`: `f32[T, stride]`
pub static GATE_BACKWARD: Kernel = Kernel {
    name: "gate_backward",
    source: include_str!("../../shaders/gate_backward.wgsl"),
    parts: &[&shader::DIMS],
    product: None,
    bindings: &[Read, Read, Read, Read, Read, Read, Read, Write],
    constants: &[
        "SIGMOID",
        "SELECTED",
        "SHARED_GATE",
        "OVER_TOKENS",
        "LABELS",
        "UNWEIGHED",
        "COOLED",
        "RENORMALIZE",
        "RESIDUAL",
    ],
    twin,
};

fn twin(call: &Call, slices: &mut [Slice]) {
    let [router, stats, expert_of, chosen, placement, d_weight, d_share, d_logits] = bound(slices);
    let (dims, on) = (call.dims, |name| call.constants.on(name));
    let (tokens, experts, k) = (dims.tokens as usize, dims.experts as usize, dims.choices as usize);
    let (stride, columns) = (dims.stride as usize, dims.columns as usize);
    let (logits, scores) = router.f32().split_at(tokens * stride);
    let renormalize = call.constants.get("RENORMALIZE");
    let prototypes = dims.prototypes as usize;
    let size = experts / prototypes;
    for t in 0..tokens {
        let d_logits = &mut d_logits.f32_mut()[t * stride..][..stride];
        let chosen = &chosen.f32()[t * columns..][..columns];
        let d_weight = &d_weight.f32()[t * columns..][..columns];
        let gate = dims.gate_at as usize;
        d_logits[gate..].fill(0.0);
        let counted = |j: usize| renormalize == 1 || placement.u32()[2 * (t * columns + j) + 1] != DROPPED;
        let sum: f32 = (0..k).filter(|j| counted(*j)).map(|j| chosen[j]).sum();
        let weighed: f32 = (0..k).map(|j| d_weight[j] * chosen[j]).sum();
        let residual = on("RESIDUAL");
        if on("SHARED_GATE") {
            let mut d = d_weight[k..].iter().sum::<f32>();
            if residual && (renormalize == 0 || sum > 0.0) {
                d -= dims.scale * weighed / if renormalize == 0 { 1.0 } else { sum };
            }
            d_logits[gate] = chosen[k] * (1.0 - chosen[k]) * d;
        }
        if on("LABELS") {
            continue;
        }
        let (h, s) = (&logits[t * stride..][..experts], &scores[t * stride..][..experts]);
        let experts_of = &expert_of.u32()[t * k..][..k];
        let group = t / dims.group_tokens as usize;
        let [d_share, d_second] =
            [group, dims.groups as usize + group].map(|at| &d_share.f32()[at * experts..][..experts]);
        let (lse, total) = (stats.f32()[4 * t], stats.f32()[4 * t + 2]);
        let summed = on("SIGMOID") || prototypes > 1;
        let share_of = if summed && total > 0.0 { 1.0 / total } else { 1.0 };

        let across = weighed / if sum > 0.0 { sum * sum } else { 1.0 };
        let scale = dims.scale * if residual { 1.0 - chosen[k] } else { 1.0 };
        let d_chosen = |j: usize| match renormalize {
            0 => scale * d_weight[j],
            _ if !counted(j) || sum <= 0.0 => 0.0,
            _ => scale * (d_weight[j] / sum - across),
        };

        for first in (0..experts).step_by(size) {
            let own = first..first + size;
            let mean: f32 = s[own.clone()].iter().zip(&d_share[own.clone()]).map(|(s, d)| s * d).sum();
            let mean = if on("SIGMOID") { mean * share_of } else { mean };
            let lse = if prototypes == 1 { lse } else { logsumexp(&h[own.clone()], &s[own.clone()]) };
            let z = dims.z * 2.0 / (tokens * prototypes) as f32 * lse;
            for e in own {
                let d = (d_share[e] - mean) * share_of;
                d_logits[e] = match (on("OVER_TOKENS"), on("SIGMOID")) {
                    (true, _) => 0.0,
                    (false, true) => s[e] * (1.0 - s[e]) * d + z * exp(h[e] - lse),
                    (false, false) => s[e] * (d + z),
                };
            }
        }
        if dims.second_place != 0.0 {
            let share = |e: usize| match e == experts_of[0] as usize {
                true => 0.0,
                false => exp(h[e] - stats.f32()[4 * t + 3]),
            };
            let mean: f32 = (0..experts).map(|e| share(e) * d_second[e]).sum();
            (0..experts).for_each(|e| d_logits[e] += share(e) * (d_second[e] - mean));
        }
        if on("UNWEIGHED") {
            continue;
        }
        let inner = |n: usize| (n..k).step_by(prototypes).map(|j| chosen[j] * d_chosen(j)).sum::<f32>();
        if !on("SIGMOID") && !on("SELECTED") && !on("OVER_TOKENS") {
            for (n, (d, s)) in d_logits[..experts].chunks_exact_mut(size).zip(s.chunks_exact(size)).enumerate() {
                let inner = inner(n);
                d.iter_mut().zip(s).for_each(|(d, s)| *d -= s * inner);
            }
        }
        let inner = inner(0);
        for j in 0..k {
            let through = match (on("SIGMOID"), on("SELECTED")) {
                (true, _) => (1.0 - chosen[j]) * d_chosen(j),
                (false, true) => d_chosen(j) - inner,
                (false, false) => d_chosen(j),
            };
            if experts_of[j] != NONE {
                d_logits[(experts_of[j] & !DECLINED) as usize] += chosen[j] * through;
            }
        }
        if on("COOLED") {
            d_logits[..experts].iter_mut().for_each(|d| *d /= dims.temperature);
        }
    }
}

/// Of the logits of a prototype, from the largest and its score.
fn logsumexp(h: &[f32], s: &[f32]) -> f32 {
    let largest = (1..h.len()).fold(0, |best, e| if h[e] > h[best] { e } else { best });
    h[largest] - s[largest].ln()
}
