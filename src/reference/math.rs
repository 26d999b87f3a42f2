//! The few functions that the formulas are made of.

use crate::config::Activation;

/// `Σᵢ aᵢ bᵢ`.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// `s·x`.
pub(super) fn scaled(s: f64, x: &[f64]) -> Vec<f64> {
    x.iter().map(|x| s * x).collect()
}

/// `aᵢ bᵢ`.
pub(super) fn product(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a * b).collect()
}

/// `y += s·x`.
pub(super) fn add_scaled(y: &mut [f64], s: f64, x: &[f64]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += s * x;
    }
}

/// `W x` for `w`: `[out, in]`.
pub(super) fn times(w: &[f64], x: &[f64]) -> Vec<f64> {
    w.chunks_exact(x.len()).map(|row| dot(row, x)).collect()
}

/// `out += Wᵀ y` for `w`: `[y.len(), out.len()]`.
pub(super) fn add_transposed_times(out: &mut [f64], w: &[f64], y: &[f64]) {
    for (row, y) in w.chunks_exact(out.len()).zip(y) {
        add_scaled(out, *y, row);
    }
}

/// `W += y xᵀ` for `w`: `[y.len(), x.len()]`.
pub(super) fn add_outer(w: &mut [f64], y: &[f64], x: &[f64]) {
    for (row, y) in w.chunks_exact_mut(x.len()).zip(y) {
        add_scaled(row, *y, x);
    }
}

/// `1 / (1 + exp(−x))`.
pub(super) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// `ln Σ exp(hᵢ)`.
pub(super) fn log_sum_exp(h: &[f64]) -> f64 {
    let top = h.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    top + h.iter().map(|h| (h - top).exp()).sum::<f64>().ln()
}

/// `exp(hᵢ) / Σ exp(h)`.
pub(super) fn softmax(h: &[f64]) -> Vec<f64> {
    let lse = log_sum_exp(h);
    h.iter().map(|h| (h - lse).exp()).collect()
}

/// The gradient of the logits from the gradient `dp` of their softmax `p`: `pᵢ (dpᵢ − Σ p dp)`.
pub(super) fn softmax_backward(p: &[f64], dp: &[f64]) -> Vec<f64> {
    let mean = dot(p, dp);
    p.iter().zip(dp).map(|(p, dp)| p * (dp - mean)).collect()
}

/// The nonlinearity and its derivative at `x`.
pub(super) fn activate(activation: Activation, x: f64) -> (f64, f64) {
    match activation {
        Activation::Relu => (x.max(0.0), if x > 0.0 { 1.0 } else { 0.0 }),
        Activation::Gelu => {
            let below = 0.5 * libm::erfc(-x / std::f64::consts::SQRT_2);
            let density = (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
            (x * below, below + x * density)
        }
        Activation::GeluTanh => {
            let c = (2.0 / std::f64::consts::PI).sqrt();
            let t = (c * (x + 0.044_715 * x * x * x)).tanh();
            let slope = c * (1.0 + 3.0 * 0.044_715 * x * x) * (1.0 - t * t);
            (0.5 * x * (1.0 + t), 0.5 * (1.0 + t) + 0.5 * x * slope)
        }
        Activation::Silu => {
            let s = sigmoid(x);
            (x * s, s * (1.0 + x * (1.0 - s)))
        }
    }
}
