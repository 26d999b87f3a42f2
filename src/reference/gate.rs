//! From logits to choices and their weights, and back.
//!
//! # Source
//! Fedus, Dean, Zoph 2022, the section on routing; group limits and the selection bias: DeepSeek-AI 2024 (DeepSeek-V3).

use super::math::{dot, sigmoid, softmax, softmax_backward};
use crate::config::{Renormalize, Scoring, SoftmaxOver, TopK};

/// Keeps a sum of weights that all vanish from dividing zero by zero.
const EPSILON: f64 = 1e-20;

/// Scores `f64[E]` of one token: softmax over all experts, or one sigmoid each.
pub(super) fn scores(router: &TopK, h: &[f64]) -> Vec<f64> {
    match router.scoring {
        Scoring::Softmax => softmax(h),
        Scoring::Sigmoid => h.iter().map(|h| sigmoid(*h)).collect(),
    }
}

/// Scores as shares of one: the softmax itself, or `s / Σ s`.
pub(super) fn shares(router: &TopK, scores: &[f64]) -> Vec<f64> {
    match router.scoring {
        Scoring::Softmax => scores.to_vec(),
        Scoring::Sigmoid => {
            let sum: f64 = scores.iter().sum();
            scores.iter().map(|s| s / sum).collect()
        }
    }
}

/// The gradient of the logits from the gradient `dq` of the shares.
pub(super) fn shares_backward(router: &TopK, scores: &[f64], dq: &[f64]) -> Vec<f64> {
    match router.scoring {
        Scoring::Softmax => softmax_backward(scores, dq),
        Scoring::Sigmoid => {
            let sum: f64 = scores.iter().sum();
            let mean = dot(scores, dq) / sum;
            scores.iter().zip(dq).map(|(s, dq)| s * (1.0 - s) * (dq - mean) / sum).collect()
        }
    }
}

/// The `k` experts a token chooses, best first; of equal ones the lower first.
///
/// Plain scores have the order of their logits, which do not round to equal ones where the scores do.
pub(super) fn choose(router: &TopK, h: &[f64], scores: &[f64]) -> Vec<usize> {
    if router.selection_bias.is_none() && router.group_limit == router.expert_groups {
        return best(h, router.k);
    }
    let bias = |e: usize| router.selection_bias.as_ref().map_or(0.0, |bias| f64::from(bias[e]));
    let biased: Vec<f64> = scores.iter().enumerate().map(|(e, s)| s + bias(e)).collect();
    let size = scores.len() / router.expert_groups;
    let group_scores: Vec<f64> =
        biased.chunks_exact(size).map(|group| best(group, 2.min(size)).into_iter().map(|i| group[i]).sum()).collect();
    let open = best(&group_scores, router.group_limit);
    let within: Vec<f64> = biased
        .iter()
        .enumerate()
        .map(|(e, s)| if open.contains(&(e / size)) { *s } else { f64::NEG_INFINITY })
        .collect();
    best(&within, router.k)
}

/// Indices of the `n` largest values, largest first; of equal ones the lower first.
fn best(values: &[f64], n: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
    order.truncate(n);
    order
}

/// Weights `f64[k]` of a token's choices before any is divided, scaled or dropped.
pub(super) fn raw_weights(router: &TopK, h: &[f64], scores: &[f64], chosen: &[usize]) -> Vec<f64> {
    match (router.scoring, router.softmax_over) {
        (Scoring::Softmax, SoftmaxOver::Selected) => softmax(&chosen.iter().map(|&e| h[e]).collect::<Vec<_>>()),
        _ => chosen.iter().map(|&e| scores[e]).collect(),
    }
}

/// The gradient of the logits `f64[E]` from the gradient `da` of the raw weights `a`.
pub(super) fn raw_weights_backward(router: &TopK, scores: &[f64], chosen: &[usize], a: &[f64], da: &[f64]) -> Vec<f64> {
    let mut spread = vec![0.0; scores.len()];
    let selected = router.softmax_over == SoftmaxOver::Selected;
    let local = match router.scoring {
        Scoring::Softmax if selected => softmax_backward(a, da),
        Scoring::Softmax => da.to_vec(),
        Scoring::Sigmoid => a.iter().zip(da).map(|(s, ds)| ds * s * (1.0 - s)).collect(),
    };
    for (&e, value) in chosen.iter().zip(local) {
        spread[e] = value;
    }
    match router.scoring {
        Scoring::Softmax if !selected => softmax_backward(scores, &spread),
        _ => spread,
    }
}

/// Whether a choice counts in the sum that the token's weights are divided by.
fn in_sum(router: &TopK, kept: bool) -> bool {
    match router.renormalize {
        Renormalize::None => false,
        Renormalize::PreDrop => true,
        Renormalize::PostDrop => kept,
    }
}

/// What the raw weights are divided by.
fn divisor(router: &TopK, a: &[f64], kept: &[bool]) -> f64 {
    if router.renormalize == Renormalize::None {
        return 1.0;
    }
    let sum: f64 = a.iter().zip(kept).filter(|(_, kept)| in_sum(router, **kept)).map(|(a, _)| a).sum();
    sum + EPSILON
}

/// Weights `f64[k]` in the output, from the raw ones: divided, scaled, and 0 where dropped.
pub(super) fn weights(router: &TopK, a: &[f64], kept: &[bool]) -> Vec<f64> {
    let factor = f64::from(router.scale) / divisor(router, a, kept);
    a.iter().zip(kept).map(|(a, kept)| if *kept { factor * a } else { 0.0 }).collect()
}

/// The gradient of the raw weights from the gradient `dw` of the weights in the output.
pub(super) fn weights_backward(router: &TopK, a: &[f64], kept: &[bool], dw: &[f64]) -> Vec<f64> {
    let divisor = divisor(router, a, kept);
    let dr: Vec<f64> =
        dw.iter().zip(kept).map(|(dw, kept)| if *kept { f64::from(router.scale) * dw } else { 0.0 }).collect();
    let through_sum = dot(&dr, a) / divisor;
    dr.iter()
        .zip(kept)
        .map(|(dr, kept)| (dr - if in_sum(router, *kept) { through_sum } else { 0.0 }) / divisor)
        .collect()
}
