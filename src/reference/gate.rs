//! From logits to scores and the weights of choices, and back.
//!
//! # Source
//! Fedus, Dean, Zoph 2022, the section on routing; prototypes: Yang et al. 2021 (M6-T).

use super::math::{add_scaled, dot, scaled, sigmoid, softmax, softmax_backward, times};
use crate::config::{Gate, Renormalize, Scoring, SoftmaxOver};
use crate::weights::Weights;

/// Keeps a sum of weights that all vanish from dividing zero by zero.
const EPSILON: f64 = 1e-20;

/// Logits `f64[T, rows]` of the tokens as they are, by all rows of the router.
pub(super) fn logits(weights: &Weights<f64>, x: &[f64], d: usize) -> Vec<f64> {
    let of_token = |x: &[f64]| {
        let mut h = times(&weights.router, x);
        if let Some(bias) = &weights.router_bias {
            add_scaled(&mut h, 1.0, bias);
        }
        h
    };
    x.chunks_exact(d).flat_map(of_token).collect()
}

/// The parts of a row of experts over which a softmax is taken.
pub(super) fn prototypes<'a>(gate: &Gate, row: &'a [f64]) -> impl Iterator<Item = &'a [f64]> {
    row.chunks_exact(row.len() / gate.prototypes)
}

/// The gradient of a token's logits from the gradient `dp` of their softmax `p` over each prototype.
fn scores_backward(gate: &Gate, p: &[f64], dp: &[f64]) -> Vec<f64> {
    prototypes(gate, p).zip(prototypes(gate, dp)).flat_map(|(p, dp)| softmax_backward(p, dp)).collect()
}

/// Scores `f64[E]` of one token: softmax over all experts, or those of each prototype, or one sigmoid each.
pub(super) fn scores(gate: &Gate, h: &[f64]) -> Vec<f64> {
    match gate.scoring {
        Scoring::Softmax => prototypes(gate, h).flat_map(softmax).collect(),
        Scoring::Sigmoid => h.iter().map(|h| sigmoid(*h)).collect(),
    }
}

/// The gradient of a group's logits `f64[S, E]` from the gradient of their softmax over tokens.
pub(super) fn over_tokens_backward(scores: &[f64], d_scores: &[f64], experts: usize) -> Vec<f64> {
    let mut dh = vec![0.0; scores.len()];
    for expert in 0..experts {
        let column = |of: &[f64]| of.iter().skip(expert).step_by(experts).copied().collect::<Vec<f64>>();
        let d_column = softmax_backward(&column(scores), &column(d_scores));
        dh.iter_mut().skip(expert).step_by(experts).zip(d_column).for_each(|(dh, d)| *dh = d);
    }
    dh
}

/// Scores as shares of one: the softmax itself, over as many as there are, or `s / Σ s`.
pub(super) fn shares(gate: &Gate, scores: &[f64]) -> Vec<f64> {
    match gate.scoring {
        Scoring::Softmax => scaled(1.0 / gate.prototypes as f64, scores),
        Scoring::Sigmoid => {
            let sum: f64 = scores.iter().sum();
            scores.iter().map(|s| s / sum).collect()
        }
    }
}

/// The gradient of the logits from the gradient `dq` of the shares.
pub(super) fn shares_backward(gate: &Gate, scores: &[f64], dq: &[f64]) -> Vec<f64> {
    match gate.scoring {
        Scoring::Softmax => scaled(1.0 / gate.prototypes as f64, &scores_backward(gate, scores, dq)),
        Scoring::Sigmoid => {
            let sum: f64 = scores.iter().sum();
            let mean = dot(scores, dq) / sum;
            scores.iter().zip(dq).map(|(s, dq)| s * (1.0 - s) * (dq - mean) / sum).collect()
        }
    }
}

/// Weights `f64[k]` of a token's choices before any is divided, scaled or dropped.
pub(super) fn raw_weights(gate: &Gate, h: &[f64], scores: &[f64], chosen: &[usize]) -> Vec<f64> {
    match (gate.scoring, gate.softmax_over) {
        (Scoring::Softmax, SoftmaxOver::Selected) => softmax(&chosen.iter().map(|&e| h[e]).collect::<Vec<_>>()),
        _ => chosen.iter().map(|&e| scores[e]).collect(),
    }
}

/// The gradient of the logits `f64[E]` from the gradient `da` of the raw weights `a`.
pub(super) fn raw_weights_backward(gate: &Gate, scores: &[f64], chosen: &[usize], a: &[f64], da: &[f64]) -> Vec<f64> {
    let mut spread = vec![0.0; scores.len()];
    let selected = gate.softmax_over == SoftmaxOver::Selected;
    let local = match gate.scoring {
        Scoring::Softmax if selected => softmax_backward(a, da),
        Scoring::Softmax => da.to_vec(),
        Scoring::Sigmoid => a.iter().zip(da).map(|(s, ds)| ds * s * (1.0 - s)).collect(),
    };
    for (&e, value) in chosen.iter().zip(local) {
        spread[e] = value;
    }
    match gate.scoring {
        Scoring::Softmax if !selected => scores_backward(gate, scores, &spread),
        _ => spread,
    }
}

/// Whether a choice counts in the sum that the token's weights are divided by.
fn in_sum(gate: &Gate, kept: bool) -> bool {
    match gate.renormalize {
        Renormalize::None => false,
        Renormalize::PreDrop => true,
        Renormalize::PostDrop => kept,
    }
}

/// What the raw weights are divided by.
fn divisor(gate: &Gate, a: &[f64], kept: &[bool]) -> f64 {
    if gate.renormalize == Renormalize::None {
        return 1.0;
    }
    let sum: f64 = a.iter().zip(kept).filter(|(_, kept)| in_sum(gate, **kept)).map(|(a, _)| a).sum();
    sum + EPSILON
}

/// Weights `f64[k]` in the output, from the raw ones: divided, scaled, and 0 where dropped.
pub(super) fn weights(gate: &Gate, a: &[f64], kept: &[bool]) -> Vec<f64> {
    let factor = f64::from(gate.scale) / divisor(gate, a, kept);
    a.iter().zip(kept).map(|(a, kept)| if *kept { factor * a } else { 0.0 }).collect()
}

/// The gradient of the raw weights from the gradient `dw` of the weights in the output.
pub(super) fn weights_backward(gate: &Gate, a: &[f64], kept: &[bool], dw: &[f64]) -> Vec<f64> {
    let divisor = divisor(gate, a, kept);
    let dr: Vec<f64> =
        dw.iter().zip(kept).map(|(dw, kept)| if *kept { f64::from(gate.scale) * dw } else { 0.0 }).collect();
    let through_sum = dot(&dr, a) / divisor;
    dr.iter().zip(kept).map(|(dr, kept)| (dr - if in_sum(gate, *kept) { through_sum } else { 0.0 }) / divisor).collect()
}
