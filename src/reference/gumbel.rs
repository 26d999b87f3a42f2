//! Gumbel noise on logits, under a temperature that falls from step to step.
//!
//! # Source
//! Nie et al. 2021 (EvoMoE), the dense-to-sparse gate.

use super::Setting;
use super::math::softmax;
use super::routing::descending;
use crate::config::{DenseToSparse, LayerConfig};
use crate::rng::{NOISE_LANE, open_uniform_f32};

/// `[T, E]`: `(h + Gumbel noise) / τ` of the logits `h` of a step of training.
pub(super) fn soften(config: &LayerConfig, router: &DenseToSparse, setting: Setting, h: &[f64]) -> Vec<f64> {
    let (e, temperature) = (config.experts, router.temperature(setting.step));
    let drawn = |i: usize| {
        let (token, lane) = ((i / e) as u32, NOISE_LANE + (i % e) as u32);
        -(-f64::from(open_uniform_f32(config.seed, 0, setting.step, token, lane)).ln()).ln()
    };
    let noise = |i: usize| setting.draws.map_or_else(|| drawn(i), |given| given[i]);
    h.iter().enumerate().map(|(i, h)| (h + noise(i)) / temperature).collect()
}

/// The experts that a token takes by its softened logits, or outside training by its logits: best first.
pub(super) fn choose(router: &DenseToSparse, setting: Setting, h: &[f64]) -> Vec<usize> {
    let order = descending(h);
    if !setting.train || router.is_hard(setting.step) {
        return order[..1].to_vec();
    }
    let shares = softmax(h);
    order.into_iter().take_while(|e| shares[*e] > f64::from(router.threshold)).collect()
}
