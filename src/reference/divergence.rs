//! How far two predictions disagree, and the gradient for both.
//!
//! # Source
//! Zuo et al. 2021 (THOR), the consistency of two passes; Kullback and Leibler 1951.

use super::math::{log_sum_exp, softmax, softmax_backward};

/// `½·[KL(p‖q) + KL(q‖p)]` of the softmaxes `p` of `a` and `q` of `b`, with its gradients by the logits.
#[derive(Clone, Debug, PartialEq)]
pub struct SymmetricKl {
    /// The divergence, at least 0.
    pub value: f64,
    /// Shaped as `a`.
    pub d_a: Vec<f64>,
    /// Shaped as `b`.
    pub d_b: Vec<f64>,
}

/// Of one row of logits each, of the same length.
///
/// From `½ Σ (p − q)(ln p − ln q)`: by `p`, which the softmax then takes to the logits, `½ (ln p − ln q + (p − q)/p)`.
pub fn symmetric_kl(a: &[f64], b: &[f64]) -> SymmetricKl {
    let (p, q) = (softmax(a), softmax(b));
    let (ln_a, ln_b) = (log_sum_exp(a), log_sum_exp(b));
    let apart: Vec<f64> = a.iter().zip(b).map(|(a, b)| (a - ln_a) - (b - ln_b)).collect();
    let value = p.iter().zip(&q).zip(&apart).map(|((p, q), apart)| 0.5 * (p - q) * apart).sum();
    let by = |p: &[f64], q: &[f64], sign: f64| {
        let dp: Vec<f64> = (0..p.len()).map(|i| 0.5 * (sign * apart[i] + 1.0 - q[i] / p[i])).collect();
        softmax_backward(p, &dp)
    };
    SymmetricKl { value, d_a: by(&p, &q, 1.0), d_b: by(&q, &p, -1.0) }
}
